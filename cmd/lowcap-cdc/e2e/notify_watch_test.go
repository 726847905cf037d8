package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNotifyTellsOfADeadSidecar kills the sidecar in an idle database: notify says so within 90 seconds, and that the
// stream moves again. Before that it was idle for longer than the limit, and nobody was told anything.
func TestNotifyTellsOfADeadSidecar(t *testing.T) {
	s := newSite(t)
	s.seedPositions(3)
	to, _ := s.file("events")
	s.drain("s", to)
	told := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) //nolint:errcheck // a test
		told <- string(body)
	}))
	defer receiver.Close()
	sidecar := s.command("s", to)
	if err := sidecar.Start(); err != nil {
		t.Fatal(err)
	}
	notify := exec.CommandContext(t.Context(), shared.binary, "notify", "--sink", to, "--slot", s.name+"s", "--to", receiver.URL,
		"--state", filepath.Join(t.TempDir(), "state"))
	log := newWatched("watching from")
	notify.Stderr = log
	if err := notify.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { notify.Process.Kill(); notify.Wait() }) //nolint:errcheck // the test is over
	waitFor(t, log, "watching from")
	select {
	case text := <-told:
		t.Fatalf("the stream lives and it is told %s", text)
	case <-time.After(70 * time.Second):
	}
	sidecar.Process.Kill() //nolint:errcheck // it runs
	sidecar.Wait()         //nolint:errcheck // it was killed
	hear := func(want string, within time.Duration) {
		t.Helper()
		select {
		case text := <-told:
			if !strings.Contains(text, want) {
				t.Fatalf("it is told %s, want %q", text, want)
			}
		case <-time.After(within):
			t.Fatalf("nobody is told %q within %s: %s", want, within, log)
		}
	}
	hear("The stream does not move", 90*time.Second)
	again := s.command("s", to)
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Process.Signal(syscall.SIGTERM); again.Wait() }) //nolint:errcheck // the test is over
	hear("The stream moves again", 60*time.Second)
}
