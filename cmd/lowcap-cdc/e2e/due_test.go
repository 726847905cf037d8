package e2e

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
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
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
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

// TestTicksAreRefused: a role that may write no messages says so, and the next transaction of the stream tells what was due.
func TestTicksAreRefused(t *testing.T) {
	s, setClock := newSiteWithClock(t)
	s.seedPositions(2)
	role := s.name + "mute"
	s.exec(`create role ` + role + ` login replication; grant select on all tables in schema public to ` + role +
		`; create publication lowcap_cdc for table token_timeframe_blocks, lowcap_positions;
		do $$ declare f text; begin for f in select oid::regprocedure::text from pg_proc where proname = 'pg_logical_emit_message' loop
		execute 'revoke execute on function ' || f || ' from public'; end loop; end $$`)
	mute := strings.Replace(s.dsn(), "postgres@", role+"@", 1)
	sink, events := s.file("x")
	run := func(args ...string) *exec.Cmd {
		return exec.CommandContext(
			t.Context(),
			shared.binary,
			append([]string{"run", "--postgres", mute, "--sink", sink, "--slot", s.name + "m"}, args...)...)
	}
	if out, err := run("--until", s.walEnd()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	running := run()
	log := newWatched("told late or not at all")
	running.Stderr = log
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { running.Process.Kill(); running.Wait() }) //nolint:errcheck // the test is over
	s.exec(`update lowcap_positions set total_quantity = 5, features = features || '{"uptrend_engine_v4": {"exit_position": true, "price": 2}}'
		where timeframe = 'p0'`)
	if err := setClock(700 * time.Second); err != nil {
		t.Fatal(err)
	}
	waitFor(t, log, "told late or not at all")
	if n := len(pendings(t, events())); n != 0 {
		t.Fatalf("%d exits are told and nothing has told the time", n)
	}
	s.exec(`update lowcap_positions set status = 'active' where timeframe = 'p1'`)
	waitForEvents(t, events, 0, "emergency_exit.pending")
	out, _ := exec.CommandContext(t.Context(), shared.binary, "check", "--postgres", mute, "--sink", sink, "--slot", s.name+"m").
		CombinedOutput()
		//nolint:errcheck // its lines are looked at
	if !strings.Contains(string(out), "pg_logical_emit_message") {
		t.Errorf("check does not say that ticks are refused:\n%s", out)
	}
}

// walEnd returns where the server's WAL ends.
func (s *site) walEnd() (lsn string) {
	s.t.Helper()
	if err := s.conn.QueryRow(s.t.Context(), "select pg_current_wal_lsn()::text").Scan(&lsn); err != nil {
		s.t.Fatal(err)
	}
	return lsn
}
