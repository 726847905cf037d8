// Package systemdtest hears for tests what a service manager is told.
package systemdtest

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// Manager hears what is sent to a socket as systemd has it.
type Manager struct {
	Path  string      // of the socket, for NOTIFY_SOCKET
	Heard chan string // each message; closed when the test is over
}

// Listen makes a socket, which ends with the test.
func Listen(t *testing.T) *Manager {
	t.Helper()
	m := &Manager{filepath.Join(t.TempDir(), "notify"), make(chan string, 100)}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.Path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // the test is over
	go func() {
		defer close(m.Heard)
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			m.Heard <- string(buffer[:n])
		}
	}()
	return m
}

// Await waits for a message and returns those before it.
func (m *Manager) Await(t *testing.T, want string) (before []string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case message := <-m.Heard:
			if message == want {
				return before
			}
			before = append(before, message)
		case <-deadline:
			t.Fatalf("the service manager was not told %q; it heard %q", want, before)
		}
	}
}
