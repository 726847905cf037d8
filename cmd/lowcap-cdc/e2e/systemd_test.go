package e2e

import (
	"os"
	"slices"
	"syscall"
	"testing"

	"lowcap-cdc/cmd/lowcap-cdc/internal/systemd"
	"lowcap-cdc/cmd/lowcap-cdc/internal/systemd/systemdtest"
)

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
	manager := systemdtest.Listen(t)
	leader := start(manager.Path, sink)
	manager.Await(t, systemd.Streaming)
	if before := manager.Await(t, systemd.Alive); slices.Contains(before, systemd.Stopping) {
		t.Errorf("before the first sign of life: %q", before)
	}
	other := systemdtest.Listen(t)
	otherSink, _ := s.file("y")
	start(other.Path, otherSink)
	if before := other.Await(t, systemd.Standby); slices.Contains(before, systemd.Streaming) {
		t.Errorf("a standby streams: %q", before)
	}
	if err := leader.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	manager.Await(t, systemd.Stopping)
}
