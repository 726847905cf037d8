package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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

// TestSystemdHears runs the binary as a unit of Type=notify does: ready with the stream and not before, alive by and by,
// a standby is ready as well, and a stop is announced.
func TestSystemdHears(t *testing.T) {
	s := newSite(t)
	sink, _ := s.file("x")
	start := func(path, sink string) *os.Process {
		cmd := s.command("f", sink)
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=300000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // it may have ended
		return cmd.Process
	}
	path, heard := listen(t)
	leader := start(path, sink)
	hear(t, heard, saysStreaming)
	if before := hear(t, heard, saysAlive); slices.Contains(before, saysStopping) {
		t.Errorf("before the first sign of life: %q", before)
	}
	other, heardOther := listen(t)
	otherSink, _ := s.file("y")
	start(other, otherSink)
	if before := hear(t, heardOther, saysStandby); slices.Contains(before, saysStreaming) {
		t.Errorf("a standby streams: %q", before)
	}
	if err := leader.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hear(t, heard, saysStopping)
}

// TestWatchdogStarves lets the loop be stuck: the watchdog must not be fed then, and be fed again afterwards.
func TestWatchdogStarves(t *testing.T) {
	path, heard := listen(t)
	var log strings.Builder
	environment := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000"}
	s := systemdFrom(func(name string) string { return environment[name] }, zerolog.New(&log))
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
	hear(t, heard, saysAlive)
	if !strings.Contains(log.String(), "stuck: committing") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}

func TestSystemdIsNotThere(t *testing.T) {
	var log strings.Builder
	nobody := systemdFrom(func(string) string { return "" }, zerolog.New(&log))
	nobody.tell(saysStreaming)
	if log.Len() > 0 {
		t.Errorf("without systemd: %s", log.String())
	}
	gone := systemdFrom(func(string) string { return "/nonexistent" }, zerolog.New(&log))
	if gone.watchdog != 0 {
		t.Error("a watchdog that waits for another process is fed")
	}
	gone.tell(saysStreaming)
	if !strings.Contains(log.String(), "READY=1") {
		t.Errorf("a message was lost in silence: %s", log.String())
	}
}
