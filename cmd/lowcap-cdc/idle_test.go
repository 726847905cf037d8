package main

import (
	"testing"
	"time"
)

// TestIdlePublicationKeepsNoWAL writes to another table only: the slot must move all the same, and nothing be published.
func TestIdlePublicationKeepsNoWAL(t *testing.T) {
	s := newSite(t)
	s.exec(`create table other (n int)`)
	sink, events := s.file("x")
	cmd := s.command("f", sink)
	log := newWatched("streaming")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, log, "streaming")
	s.exec(`insert into other select generate_series(1, 10000)`)
	var target string
	if err := s.conn.QueryRow(t.Context(), `select pg_current_wal_lsn()::text`).Scan(&target); err != nil {
		t.Fatal(err)
	}
	deadline, tick := time.After(30*time.Second), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for moved := false; !moved; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the slot does not reach %s: %s", target, log)
		}
		if err := s.conn.QueryRow(t.Context(), `select confirmed_flush_lsn >= $1::text::pg_lsn from pg_replication_slots where slot_name = $2`,
			target, s.name+"f").Scan(&moved); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Process.Kill() //nolint:errcheck // it runs
	cmd.Wait()         //nolint:errcheck // it was killed
	if got := events(); len(got) != 1 || got[0] != "" {
		t.Errorf("events %q", got)
	}
}
