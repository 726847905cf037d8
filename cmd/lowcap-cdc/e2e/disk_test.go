package e2e

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/deploy/lab"
)

// smallDisk mounts a file system of one megabyte.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	err := syscall.Mount("none", dir, "tmpfs", 0, "size=1m")
	if errors.Is(err, syscall.EPERM) {
		lab.Missing(t, "mounting a small file system needs root and the right to mount")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) }) //nolint:errcheck // it goes with this process's mounts
	return dir
}

// fillUp takes all the room of a disk; removing the file gives it back.
func fillUp(t *testing.T, dir string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	err := os.WriteFile(ballast, bytes.Repeat([]byte{1}, 2<<20), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk takes two megabytes: %v", err)
	}
	return ballast
}

// TestDiskFull: a full disk under the file sink is one line that says so, at a start and while the sidecar runs; when
// there is room again it continues by itself, and nothing is lost or doubled.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedRows()
	disk := smallDisk(t)
	sink := "file:" + filepath.Join(disk, "out")
	reference, written := s.file("reference")
	s.drain("f", sink)
	s.drain("r", reference)

	ballast := fillUp(t, disk)
	s.exec(
		`update lowcap_positions set features = jsonb_build_object('pm_execution_history', jsonb_build_object('notes', repeat('a', 20000)))`,
	)
	cmd := s.command("f", sink, "--until", "now")
	out, _ := cmd.CombinedOutput() // its exit code is looked at
	s.expectLine(cmd, out, settings.ExitFailed, "no space left on device", "make room (df -h")
	remove(t, ballast)

	running := s.command("f", sink)
	log := newWatched("never")
	running.Stderr = log
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { running.Process.Kill() }) //nolint:errcheck // it may have ended
	waitFor(t, log, "streaming")
	ballast = fillUp(t, disk)
	s.exec(
		`update lowcap_positions set features = jsonb_build_object('pm_execution_history', jsonb_build_object('notes', repeat('b', 20000)))`,
	)
	waitFor(t, log, "make room (df -h")
	remove(t, ballast)
	s.waitConfirmed("f")
	if err := running.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := running.Wait(); err != nil {
		t.Errorf("stopped with %v: %s", err, log)
	}
	s.drain("r", reference)
	content, err := os.ReadFile(filepath.Join(disk, "out", "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, streamed(t, strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")), streamed(t, written()))
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestNoPlaceToWrite: a path that is a file, and a disk that is read-only, are each one line and exit code 3.
func TestNoPlaceToWrite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := s.command("f", "file:"+file)
	out, _ := cmd.CombinedOutput() // its exit code is looked at
	s.expectLine(cmd, out, settings.ExitRepair, "not a directory", "choose a directory")

	disk := smallDisk(t)
	if err := syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	cmd = s.command("f", "file:"+filepath.Join(disk, "out"))
	out, _ = cmd.CombinedOutput() // its exit code is looked at
	s.expectLine(cmd, out, settings.ExitRepair, "read-only file system", "write access")
}

// TestDamagedStateEndsTheRun damages the state of a sidecar at work and cuts its connection: starting again cannot help,
// so it must end with exit code 3 instead of trying for ever.
func TestDamagedStateEndsTheRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedRows()
	dir := t.TempDir()
	running := s.command("f", "file:"+dir)
	log := newWatched("never")
	running.Stderr = log
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { running.Process.Kill() }) //nolint:errcheck // it may have ended
	waitFor(t, log, "streaming")
	s.exec(`update lowcap_positions set status = 'active'`)
	s.waitConfirmed("f")
	state, err := os.OpenFile(filepath.Join(dir, "state.log"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.WriteAt([]byte("damage"), 40); err != nil {
		t.Fatal(err)
	}
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}
	s.cutOff("f")
	ended := make(chan error, 1)
	go func() { ended <- running.Wait() }()
	select {
	case <-ended: //nolint:errcheck // its exit code is looked at below
		s.expectLine(running, []byte(log.String()), settings.ExitRepair, "committed data is damaged", "from a backup")
	case <-time.After(patience):
		t.Fatalf("still trying: %s", log)
	}
}
