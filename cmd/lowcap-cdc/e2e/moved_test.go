package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/deploy/lab"
)

// TestAnotherCluster: the topics are copied to another cluster, and the stream goes on there as if nothing had been: with the
// same numbers, byte for byte as an undisturbed run. A copy that lacks events is refused in one line, before anything is written.
func TestAnotherCluster(t *testing.T) {
	t.Parallel()
	before, err := lab.StartKafka(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close() //nolint:errcheck // the test is over
	after := anotherKafka(t)
	s := newSite(t)
	s.seedRows()
	from, to := "kafka://"+before.Addr(), "kafka://"+after.Addr()
	file, written := s.file("reference")
	s.drain("k", from)
	s.drain("f", file)
	state, events := s.name+".cdc-state", s.eventTopics()
	s.prepareTopicsOn(to)
	mirror := func(topics ...string) {
		t.Helper()
		if err := lab.Mirror(t.Context(), before.Addr(), after.Addr(), topics...); err != nil {
			t.Fatal(err)
		}
	}
	mirror(state)
	s.refusesCopy(to, "events are missing")
	mirror(events...)
	check := s.command("k", to)
	check.Args[1] = "check"
	if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "whole up to event") {
		t.Errorf("check of a whole copy: %v: %s", err, out)
	}
	s.exec(`update token_timeframe_blocks set blocked_s1 = false`)
	s.drain("k", to)
	s.exec(`update lowcap_positions set status = 'moved'`)
	s.drain("k", to)
	s.drain("f", file)
	records, err := lab.ReadCommitted(t.Context(), after.Addr(), events...)
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, streamed(t, lab.Events(records)), streamed(t, written()))
	s.verify(to)
}

// refusesCopy looks at a copy that is not whole, and runs the sidecar on it.
func (s *site) refusesCopy(sink, want string) {
	s.t.Helper()
	for _, verb := range []string{"check", "status", "run"} {
		cmd := s.command("k", sink)
		if cmd.Args[1] = verb; verb == "run" {
			cmd.Args = append(cmd.Args, "--until", "now")
		}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != settings.ExitRepair || !strings.Contains(string(out), want) {
			s.t.Errorf("%s: %v, want exit %d and %q: %s", verb, err, settings.ExitRepair, want, out)
		}
	}
}

// anotherKafka starts a broker of another cluster than the others.
func anotherKafka(t *testing.T) *lab.Kafka {
	t.Helper()
	k, err := lab.StartAnotherKafka(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() }) //nolint:errcheck // the test is over
	return k
}

// TestAnotherClusterWithoutEvents: the state was copied, and the events are gone for good. A reconcile goes on with the numbers.
func TestAnotherClusterWithoutEvents(t *testing.T) {
	t.Parallel()
	before, err := shared.kafka()
	if err != nil {
		t.Fatal(err)
	}
	after := anotherKafka(t)
	s := newSite(t)
	s.seedRows()
	from, to := "kafka://"+before.Addr(), "kafka://"+after.Addr()
	s.drain("k", from)
	last := s.committedOn(before)
	s.prepareTopicsOn(to)
	if err := lab.Mirror(t.Context(), before.Addr(), after.Addr(), s.name+".cdc-state"); err != nil {
		t.Fatal(err)
	}
	s.refusesCopy(to, "events are missing")
	out, err := exec.CommandContext(t.Context(), shared.binary, "reconcile", "--yes", "--postgres", s.dsn(), "--sink", to, "--slot", s.name+"k",
		"--topic-prefix", s.name+".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.drain("k", to)
	records, err := lab.ReadCommitted(t.Context(), after.Addr(), s.eventTopics()...)
	if err != nil || len(records) == 0 {
		t.Fatalf("%d events, %v", len(records), err)
	}
	if first := lab.Events(records)[0]; !strings.Contains(first, fmt.Sprintf(`"number":"%d"`, last+1)) {
		t.Errorf("the first event there does not follow number %d: %s", last, first)
	}
	s.verify(to) // which knows that what stood before was not copied
}
