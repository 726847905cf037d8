package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// next waits for the message behind the first n and returns its text.
func (r *receiver) next(t *testing.T, n int) string {
	t.Helper()
	r.await(t, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies[n]
}

// stand lets the receiver refuse everybody, or nobody any more.
func (r *receiver) stand(is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statuses = nil
	if is {
		r.statuses = slices.Repeat([]int{http.StatusUnauthorized}, 10000)
	}
}

func stopNotify(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestRouteIsToldWhatWasRemoved takes events away before a route has read them, while notify is down and while its receiver is: the
// route is told so, first, and goes on with the oldest that is there.
func TestRouteIsToldWhatWasRemoved(t *testing.T) {
	for _, kind := range []string{"kafka", "file"} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			s.seedPositions(3)
			to, _ := s.kafka()
			dir := filepath.Join(t.TempDir(), "x")
			remove, args := s.removeExits, []string{"--type", "emergency_exit.*"}
			if kind == "file" {
				to = "file:" + dir + "?rotate=1MB"
				remove = func() { s.removeSegments(dir, to) }
				args = append(args, "--state", filepath.Join(t.TempDir(), "state"))
			}
			s.drain("k", to)
			r := newReceiver(t, "")
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
			cmd, _ := s.notify(to, r.URL, args...)
			s.exit(1)
			s.drain("k", to)
			expect(":01Z")
			stopNotify(t, cmd)

			s.exit(2)
			s.drain("k", to)
			remove()
			s.exit(3)
			s.drain("k", to)
			cmd, log := s.notify(to, r.URL, args...)
			expect("Events were removed unread", ":03Z")

			r.stand(true)
			s.exit(4)
			s.drain("k", to)
			waitFor(t, log, "the route stands")
			s.exit(5)
			s.drain("k", to)
			remove()
			s.exit(6)
			s.drain("k", to)
			r.stand(false)
			expect(":04Z")
			if kind == "file" {
				expect(":05Z") // the file was open
			}
			expect("Events were removed unread", ":06Z")
			stopNotify(t, cmd)

			cmd, _ = s.notify(to, r.URL, args...)
			s.exit(7)
			s.drain("k", to)
			expect(":07Z")
			stopNotify(t, cmd)
		})
	}
}

// removeExits removes the records of the exits' topic, as retention does.
func (s *site) removeExits() {
	s.t.Helper()
	admin, _ := s.kafkaClient()
	ends, err := admin.ListEndOffsets(s.t.Context(), s.name+".emergency-exits")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := admin.DeleteRecords(s.t.Context(), ends.Offsets()); err != nil {
		s.t.Fatal(err)
	}
}

// removeSegments lets the files rotate and removes what is finished, as a cron job does.
func (s *site) removeSegments(dir, to string) {
	s.t.Helper()
	for range 3 {
		s.exec(`do $$ begin for i in 1..1200 loop update lowcap_positions set status = case when i % 2 = 0 then 'active' else 'paused' end
			where timeframe = 'p0'; end loop; end $$`)
		s.drain("k", to)
	}
	found, err := filepath.Glob(filepath.Join(dir, "events-*"))
	if err != nil || len(found) == 0 {
		s.t.Fatalf("nothing was rotated (%v)", err)
	}
	for _, path := range found {
		if err := os.Remove(path); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestRouteIsToldOfAnotherHistory begins the files anew under a route's place: what is there is told from the oldest on.
func TestRouteIsToldOfAnotherHistory(t *testing.T) {
	s := newSite(t)
	s.seedPositions(3)
	dir, state := filepath.Join(t.TempDir(), "x"), filepath.Join(t.TempDir(), "state")
	to := "file:" + dir
	args := []string{"--type", "emergency_exit.*", "--state", state}
	s.drain("k", to)
	r := newReceiver(t, "")
	cmd, _ := s.notify(to, r.URL, args...)
	for n := range 5 {
		s.exit(n)
	}
	s.drain("k", to)
	r.await(t, 5)
	stopNotify(t, cmd)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s.drain("j", to)
	s.exit(10)
	s.drain("j", to)
	cmd, _ = s.notify(to, r.URL, args...)
	for i, text := range []string{"another history", ":10Z"} {
		if got := r.next(t, 5+i); !strings.Contains(got, text) {
			t.Errorf("told %s, want %q", got, text)
		}
	}
	stopNotify(t, cmd)
	cmd, _ = s.notify(to, r.URL, args...)
	s.exit(11)
	s.drain("j", to)
	if got := r.next(t, 7); !strings.Contains(got, ":11Z") {
		t.Errorf("told %s", got)
	}
	stopNotify(t, cmd)
}
