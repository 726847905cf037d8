package e2e

import "testing"

// TestIdlePublicationKeepsNoWAL writes to another table only: the slot must move all the same, and nothing be published.
func TestIdlePublicationKeepsNoWAL(t *testing.T) {
	t.Parallel()
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
	s.waitConfirmed("f")
	cmd.Process.Kill() //nolint:errcheck // it runs
	cmd.Wait()         //nolint:errcheck // it was killed
	if got := events(); len(got) != 1 || got[0] != "" {
		t.Errorf("events %q", got)
	}
}
