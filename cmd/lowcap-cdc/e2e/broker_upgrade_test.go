package e2e

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"lowcap-cdc/deploy/lab"
)

// TestBrokerUpgradedUnderAStream: the broker is stopped, and one of the newest version is started on its data, while the
// source writes and the sidecar streams; then the cluster's features are raised, transactions among them. The sidecar is never
// restarted. What it said equals what an undisturbed run on a second slot says, byte for byte.
func TestBrokerUpgradedUnderAStream(t *testing.T) {
	t.Parallel()
	k, err := lab.StartKafkaOf(t.Context(), "3.9.2")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // the test is over
	s := newSite(t)
	s.seedPositions(lab.LoadPositions)
	sink := "kafka://" + k.Addr()
	file, written := s.file("reference")
	s.drain("f", file)
	cmd, log := s.background(sink, "streaming")
	stop, stopped := s.loadUntil(1)
	s.moreOn(k, 200)
	if err := k.Upgrade(t.Context(), "4.4.0"); err != nil {
		t.Fatal(err)
	}
	s.moreOn(k, 200)
	levels, err := k.RaiseFeatures(t.Context(), map[string]int16{"transaction.version": 2})
	if err != nil || levels["transaction.version"] != 2 {
		t.Fatalf("features %v, %v", levels, err)
	}
	s.moreOn(k, 200)
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it runs
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, log)
	}
	s.drain("k", sink)
	s.drain("f", file)
	records, err := lab.ReadCommitted(t.Context(), k.Addr(), s.eventTopics()...)
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, streamed(t, lab.Events(records)), streamed(t, written()))
	s.verify(sink)
}

// moreOn waits until a committed reader sees so many events more than now.
func (s *site) moreOn(k *lab.Kafka, n int) {
	s.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for before, now := -1, 0; ; {
		if now = s.committedOn(k); before < 0 {
			before = now
		}
		if now >= before+n {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("%d events after %d, want %d more", now, before, n)
		}
	}
}

// verify runs audit verify.
func (s *site) verify(sink string) {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), shared.binary, "audit", "verify", "--sink", sink, "--slot", s.name+"k",
		"--topic-prefix", s.name+".").CombinedOutput()
	if err != nil {
		s.t.Errorf("audit verify: %v: %s", err, out)
	}
}
