package e2e

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWalsenderLivesWhileTheBrokerHangs stops the broker's process for four times as long as the server waits for a sign
// of life. The connection must stay the same one, and everything arrive once when the broker continues.
func TestWalsenderLivesWhileTheBrokerHangs(t *testing.T) {
	const timeout = 4 * time.Second
	s := newSite(t)
	s.seedPositions(20)
	kafka, committed := s.kafka()
	file, written := s.file("reference")
	s.drain("k", kafka)
	s.drain("f", file)
	s.exec(`alter database ` + s.name + ` set wal_sender_timeout = '` + timeout.String() + `'`)
	cmd, log := s.background(kafka, "streaming")
	sender := s.walsender("k")
	if err := shared.started.Pause(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shared.started.Continue() }) //nolint:errcheck // it may have been continued
	s.writeFor(4 * timeout)
	if now := s.walsender("k"); now != sender || sender == 0 {
		t.Errorf("the walsender is %d, it was %d: %s", now, sender, log)
	}
	if err := shared.started.Continue(); err != nil {
		t.Fatal(err)
	}
	s.waitConfirmed("k")
	if now := s.walsender("k"); now != sender || strings.Contains(log.String(), "starting again") {
		t.Errorf("the walsender is %d, it was %d: %s", now, sender, log)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // its events are compared
	s.drain("k", kafka)
	s.drain("f", file)
	sameEvents(t, streamed(t, committed()), streamed(t, written()))
}

// walsender returns the process that serves a slot, 0 when there is none.
func (s *site) walsender(slot string) (pid int) {
	s.t.Helper()
	if err := s.conn.QueryRow(s.t.Context(), `select coalesce(active_pid, 0) from pg_replication_slots where slot_name = $1`, s.name+slot).Scan(&pid); err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// writeFor writes all the time, so that the server has something to send that no one takes.
func (s *site) writeFor(d time.Duration) {
	s.t.Helper()
	end, tick := time.After(d), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
			s.exec(
				`update lowcap_positions set features = jsonb_build_object('ta', repeat(md5($1::text), 2000), 'pm_execution_history', jsonb_build_object('prev_state', $1::text))`,
				strconv.Itoa(i),
			)
		case <-end:
			return
		}
	}
}

// waitConfirmed waits until the slot has passed everything that is committed now.
func (s *site) waitConfirmed(slot string) {
	s.t.Helper()
	var target string
	if err := s.conn.QueryRow(s.t.Context(), `select pg_current_wal_lsn()::text`).Scan(&target); err != nil {
		s.t.Fatal(err)
	}
	deadline, tick := time.After(patience), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for moved := false; !moved; {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("slot %s does not reach %s", slot, target)
		}
		if err := s.conn.QueryRow(s.t.Context(), `select confirmed_flush_lsn >= $1::text::pg_lsn from pg_replication_slots where slot_name = $2`,
			target, s.name+slot).Scan(&moved); err != nil {
			s.t.Fatal(err)
		}
	}
}
