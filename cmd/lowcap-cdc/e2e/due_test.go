package e2e

import (
	"encoding/json"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// TestPendingIsToldByTicks: an exit fails, and then nothing is written for ten minutes by the server's clock. The sidecar tells
// the time itself, so that the page comes; two slots say the same bytes, and a kill in between changes nothing.
func TestPendingIsToldByTicks(t *testing.T) {
	s, setClock := newSiteWithClock(t)
	s.seedPositions(2)
	first, events := s.file("first")
	second, others := s.file("second")
	s.drain("a", first)
	s.drain("b", second)
	one, two := s.startRun("a", first), s.startRun("b", second)
	s.exec(`update lowcap_positions set total_quantity = 5,
		features = coalesce(features, '{}') || '{"uptrend_engine_v4": {"exit_position": true, "price": 2}}'`)
	if err := setClock(601 * time.Second); err != nil {
		t.Fatal(err)
	}
	waitForEvents(t, events, 0, "emergency_exit.pending")
	one.Process.Kill() //nolint:errcheck // it runs
	one.Wait()         //nolint:errcheck // it was killed
	waitForEvents(t, others, 0, "emergency_exit.pending")
	if err := setClock(4300 * time.Second); err != nil {
		t.Fatal(err)
	}
	one = s.startRun("a", first)
	for _, told := range []func() []string{events, others} {
		waitForReminder(t, told)
	}
	for _, run := range []*exec.Cmd{one, two} {
		run.Process.Kill() //nolint:errcheck // it runs
		run.Wait()         //nolint:errcheck // it was killed
	}
	sameEvents(t, pendings(t, events()), pendings(t, others()))
}

func (s *site) startRun(slot, sink string) *exec.Cmd {
	s.t.Helper()
	run := s.command(slot, sink)
	if err := run.Start(); err != nil {
		s.t.Fatal(err)
	}
	return run
}

// pendings returns what the stream, and not the snapshot, told of exits, without the links of the whole.
func pendings(t *testing.T, events []string) (found []string) {
	t.Helper()
	for _, line := range streamed(t, events) {
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "lowcap.emergency_exit.pending.v1" {
			found = append(found, line)
		}
	}
	return found
}

// waitForReminder waits until both positions have their first reminder.
func waitForReminder(t *testing.T, events func() []string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		reminders := slices.DeleteFunc(pendings(t, events()), func(line string) bool {
			var e struct{ Data struct{ Reminder int } }
			return json.Unmarshal([]byte(line), &e) != nil || e.Data.Reminder != 1
		})
		if len(reminders) == 2 {
			return
		}
	}
	t.Fatal("no reminder came")
}
