package e2e

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestReconcileAfterLostSlot drops the slot, changes rows unseen, and reconciles.
func TestReconcileAfterLostSlot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(3)
	sink, events := s.file("x")
	s.drain("f", sink)
	s.exec(`select pg_drop_replication_slot($1)`, s.name+"f")
	s.exec(`delete from lowcap_positions where timeframe = 'p0'`)
	s.exec(`update lowcap_positions set status = 'active' where timeframe = 'p1'`)
	args := []string{"--postgres", shared.postgres.DSN(s.name), "--sink", sink, "--slot", s.name + "f"}
	code, line := lastLine(t, append([]string{"run", "--no-reconcile"}, args...)...)
	if code != 3 || !strings.Contains(line, "run: lowcap-cdc reconcile") {
		t.Errorf("exit %d: %s", code, line)
	}
	before := len(events())
	if out, err := exec.CommandContext(t.Context(), shared.binary, append([]string{"reconcile"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.exec(`update lowcap_positions set status = 'paused' where timeframe = 'p2'`)
	s.drain("f", sink)
	var types []string
	for _, e := range events()[before:] {
		var event struct{ Type string }
		if err := json.Unmarshal([]byte(e), &event); err != nil {
			t.Fatal(err)
		}
		types = append(types, strings.TrimSuffix(strings.TrimPrefix(event.Type, "lowcap."), ".v1"))
	}
	want := []string{"stream.gap", "position.deleted", "position.status_changed", "stream.reconciled", "position.status_changed"}
	slices.Sort(types[1:3]) // rows are compared in the order of their random-looking keys
	if !slices.Equal(types, want) {
		t.Errorf("events %q, want %q", types, want)
	}
}

// TestLookingLeavesNothingBehind runs the stdout sink beside nothing and beside a slot at work.
func TestLookingLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(3)
	cmd := s.command("k", "stdout:")
	log, out := newWatched("streaming"), newWatched("status_changed")
	cmd.Stderr, cmd.Stdout = log, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, log, "streaming")
	s.exec(`update lowcap_positions set status = 'active' where timeframe = 'p1'`)
	waitFor(t, out, "status_changed")
	if shown := strings.Count(out.String(), `"type":"lowcap.position.baseline.v1"`); shown != 3 {
		t.Errorf("%d baselines are shown of 3 rows", shown)
	}
	cmd.Process.Kill() //nolint:errcheck // it runs
	cmd.Wait()         //nolint:errcheck // it was killed
}

// TestReconcileAsksFirst: on a healthy slot it asks, an input that ends is a no, and beside a running instance it refuses.
func TestReconcileAsksFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(2)
	sink, events := s.file("x")
	s.drain("f", sink)
	reconcile := func(answer string, args ...string) (string, int) {
		cmd := exec.CommandContext(
			t.Context(),
			shared.binary,
			append([]string{"reconcile", "--postgres", shared.postgres.DSN(s.name), "--sink", sink,
				"--slot", s.name + "f"}, args...)...)
		cmd.Stdin = strings.NewReader(answer)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	before := len(events())
	for _, answer := range []string{"", "yes\n"} {
		if out, code := reconcile(answer); code != 2 || !strings.Contains(out, "nothing was done") || len(events()) != before {
			t.Errorf("answer %q: exit %d, %d events: %s", answer, code, len(events()), out)
		}
	}
	running := s.command("f", sink)
	log := newWatched(`"streaming"`)
	running.Stderr = log
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, log, `"streaming"`)
	if out, code := reconcile("", "--yes"); code != 3 || !strings.Contains(out, "stop it first") {
		t.Errorf("beside a running instance: exit %d: %s", code, out)
	}
	if err := running.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	running.Wait() //nolint:errcheck // it was killed
	s.waitForFreeSlot("f")
	if out, code := reconcile(s.name + "f\n"); code != 0 || len(events()) <= before {
		t.Errorf("with the slot's name: exit %d: %s", code, out)
	}
}
