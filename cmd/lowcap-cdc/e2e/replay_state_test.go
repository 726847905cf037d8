package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
)

// moveState runs replay --with-state and returns how it ended: -1 where a failpoint killed it.
func (s *site) moveState(from, to, failpoint string, args ...string) (code int, out string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), shared.binary, append([]string{"replay", "--with-state", "--postgres", s.dsn(), "--sink", from, "--into", to,
		"--slot", s.name + "k", "--topic-prefix", s.name + "."}, args...)...)
	cmd.Env = append(os.Environ(), "LOWCAP_CDC_FAILPOINT="+failpoint)
	text, _ := cmd.CombinedOutput() // the exit code says it
	return cmd.ProcessState.ExitCode(), string(text)
}

// moveStateKilled moves the history, and is killed at every step on the way; what is there of it until then is refused.
func (s *site) moveStateKilled(from, to string) {
	s.t.Helper()
	for begun, moved := false, false; !moved; begun = true {
		for _, point := range []string{"before-produce:1", "before-end-txn:1", "after-end-txn:1"} {
			code, out := s.moveState(from, to, point)
			if moved = code == 0; moved {
				break
			}
			if code != -1 {
				s.t.Fatalf("%s: exit %d: %s", point, code, out)
			}
			if !begun || point != "before-end-txn:1" {
				continue
			}
			if run, err := s.command("k", to, "--until", "now").CombinedOutput(); err == nil || !strings.Contains(string(run), "replay --with-state") {
				s.t.Fatalf("run on a copy that is not finished: %v: %s", err, run)
			}
		}
	}
}

// TestMovedByReplay: the history moves to another cluster by replay while the source writes: first its events, beside the instance
// that still streams, then, when that was killed, the rest and the state, killed at every step. The stream goes on there, killed at
// every step as well, as if nothing had been: byte for byte as an undisturbed run.
func TestMovedByReplay(t *testing.T) {
	t.Parallel()
	before, err := shared.kafka()
	if err != nil {
		t.Fatal(err)
	}
	after := anotherKafka(t)
	s := newSite(t)
	s.seedPositions(lab.LoadPositions)
	from, to := "kafka://"+before.Addr(), "kafka://"+after.Addr()
	file, written := s.file("reference")
	s.drain("f", file)
	s.drain("k", from)
	cmd, log := s.background(from, "streaming")
	stop, stopped := s.loadUntil(1)
	s.moreOn(before, 1500)
	if code, out := s.moveState(from, to, ""); code != 3 || !strings.Contains(out, "stop it, and run the same again") {
		t.Errorf("beside an instance: exit %d: %s", code, out)
	}
	cmd.Process.Kill() //nolint:errcheck // it runs
	cmd.Wait()         //nolint:errcheck // it was killed
	t.Log(log)
	s.waitForFreeSlot("k")
	s.refusesCopy(to, "replay --with-state")
	s.moveStateKilled(from, to)
	for _, point := range []string{"before-produce:1", "before-end-txn:1", "after-end-txn:1", "before-confirm:1", "before-produce:2"} {
		s.crash(to, point)
		s.waitForFreeSlot("k")
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	s.drain("k", to)
	s.drain("f", file)
	records, err := lab.ReadCommitted(t.Context(), after.Addr(), s.eventTopics()...)
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, streamed(t, lab.Events(records)), streamed(t, written()))
	s.verify(to)
	if code, out := s.moveState(from, to, ""); code != 3 || !strings.Contains(out, "it went on after it was moved") {
		t.Errorf("moved once more: exit %d: %s", code, out)
	}
}

// TestMovedToAnotherKindOfSink: a history moves from files to Kafka and back, killed at every step, and goes on with the same
// numbers. What is no part of the move is refused.
func TestMovedToAnotherKindOfSink(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(120)
	first, _ := s.file("first")
	second, _ := s.kafka()
	third, written := s.file("third")
	s.drain("k", first)
	for i, way := range [][2]string{{first, second}, {second, third}} {
		s.exec(`update lowcap_positions set status = $1`, []string{"active", "paused"}[i])
		s.drain("k", way[0])
		s.moveStateKilled(way[0], way[1])
		if code, out := s.moveState(way[0], way[1], ""); code != 0 || !strings.Contains(out, "0 events copied") {
			t.Errorf("moved already: exit %d: %s", code, out)
		}
	}
	s.exec(`update lowcap_positions set status = 'dormant'`)
	s.drain("k", third)
	s.verify(third)
	if n := len(streamed(t, written())); n != 120*3 {
		t.Errorf("%d events of three changes of 120 rows", n)
	}
	for want, c := range map[string]struct {
		from, to string
		args     []string
		code     int
	}{
		"it went on after it was moved": {from: second, to: third, code: 3},
		"leave --to out":                {from: third, to: first, args: []string{"--to", "1h"}, code: 2},
		"keeps no state":                {from: third, to: "stdout:", code: 2},
		"that are no part of this move": {from: third, to: second, args: []string{"--into-prefix", s.name + "half."}, code: 3},
		"where the events are already":  {from: third, to: third, code: 2},
		"without their state":           {from: s.copied(third), to: first, code: 3},
	} {
		if strings.HasSuffix(want, "this move") {
			s.ok(third, "replay", "--into", second, "--into-prefix", s.name+"half.")
		}
		if code, out := s.moveState(c.from, c.to, "", c.args...); code != c.code || !strings.Contains(out, want) {
			t.Errorf("exit %d, want %d and %q: %s", code, c.code, want, out)
		}
	}
}

// copied returns a file sink that holds events without their state.
func (s *site) copied(from string) string {
	s.t.Helper()
	to, _ := s.file("copied")
	s.ok(from, "replay", "--into", to)
	return to
}
