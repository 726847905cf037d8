package e2e

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/systemd"
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
	hear(t, heard, systemd.Streaming)
	if before := hear(t, heard, systemd.Alive); slices.Contains(before, systemd.Stopping) {
		t.Errorf("before the first sign of life: %q", before)
	}
	other, heardOther := listen(t)
	otherSink, _ := s.file("y")
	start(other, otherSink)
	if before := hear(t, heardOther, systemd.Standby); slices.Contains(before, systemd.Streaming) {
		t.Errorf("a standby streams: %q", before)
	}
	if err := leader.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hear(t, heard, systemd.Stopping)
}
