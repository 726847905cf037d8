package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestRouteIsToldThatItBeginsBehindEvents: a route without a place here, as in a cluster that a history was moved to, begins at now and
// is told what it was not told of: before anything else, until it has it, and no more then. One that is to begin earlier gets it all.
func TestRouteIsToldThatItBeginsBehindEvents(t *testing.T) {
	for _, kind := range []string{"kafka", "file"} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			s.seedPositions(3)
			to, _ := s.kafka()
			args := []string{"--type", "emergency_exit.*"}
			if kind == "file" {
				to = "file:" + filepath.Join(t.TempDir(), "x")
				args = append(args, "--state", filepath.Join(t.TempDir(), "state"))
			}
			s.drain("k", to)
			s.exit(1)
			s.exit(2)
			s.drain("k", to)
			r := newReceiver(t, "")
			r.stand(true)
			told := 0
			expect := func(texts ...string) {
				t.Helper()
				for _, text := range texts {
					got := r.next(t, told)
					if told++; !strings.Contains(got, text) {
						t.Fatalf("told %s, want %q", got, text)
					}
				}
			}
			cmd, log := s.notify(to, r.URL, args...)
			waitFor(t, log, "the route stands")
			s.exit(3)
			s.drain("k", to)
			cmd.Process.Kill() //nolint:errcheck // it runs
			cmd.Wait()         //nolint:errcheck // it was killed

			r.stand(false)
			cmd, _ = s.notify(to, r.URL, args...)
			expect("2 of the last seven days", ":03Z")
			stopNotify(t, cmd)
			cmd, _ = s.notify(to, r.URL, args...)
			s.exit(4)
			s.drain("k", to)
			expect(":04Z")
			stopNotify(t, cmd)

			again := append([]string{"--from", "1h", "--group", s.name + "again"}, args...)
			if kind == "file" {
				again = append(again, "--state", filepath.Join(t.TempDir(), "again"))
			}
			cmd, _ = s.notify(to, r.URL, again...)
			expect(":01Z", ":02Z", ":03Z", ":04Z")
			stopNotify(t, cmd)
		})
	}
}
