package systemd

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// listen returns a socket as systemd has it, its path, and what it hears.
func listen(t *testing.T) (path string, heard <-chan string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // the test is over
	messages := make(chan string, 100)
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				close(messages)
				return
			}
			messages <- string(buffer[:n])
		}
	}()
	return path, messages
}

// hear waits for a message and returns those before it.
func hear(t *testing.T, heard <-chan string, want string) (before []string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case message := <-heard:
			if message == want {
				return before
			}
			before = append(before, message)
		case <-deadline:
			t.Fatalf("systemd was not told %q; it heard %q", want, before)
		}
	}
}

// TestWatchdogStarves lets the loop be stuck: the watchdog must not be fed then, and be fed again afterwards.
func TestWatchdogStarves(t *testing.T) {
	path, heard := listen(t)
	var log strings.Builder
	environment := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000"}
	s := From(func(name string) string { return environment[name] }, zerolog.New(&log))
	states := make(chan string)
	go s.keepAlive(t.Context(), func(time.Time) string {
		select {
		case state := <-states:
			return state
		case <-t.Context().Done():
			return "the test is over"
		}
	})
	states <- "stuck: committing"
	states <- "stuck: committing" // the first was handled when the second is asked for
	select {
	case message := <-heard:
		t.Errorf("stuck, and systemd hears %q", message)
	default:
	}
	states <- ""
	hear(t, heard, Alive)
	if !strings.Contains(log.String(), "stuck: committing") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}

func TestSystemdIsNotThere(t *testing.T) {
	var log strings.Builder
	nobody := From(func(string) string { return "" }, zerolog.New(&log))
	nobody.Tell(Streaming)
	if log.Len() > 0 {
		t.Errorf("without systemd: %s", log.String())
	}
	gone := From(func(string) string { return "/nonexistent" }, zerolog.New(&log))
	if gone.watchdog != 0 {
		t.Error("a watchdog that waits for another process is fed")
	}
	gone.Tell(Streaming)
	if !strings.Contains(log.String(), "READY=1") {
		t.Errorf("a message was lost in silence: %s", log.String())
	}
}
