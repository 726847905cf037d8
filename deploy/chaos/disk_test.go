package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"lowcap-cdc/deploy/lab"
)

// TestDiskFull fills the disk under a file sink while the source writes, at another byte each time, kills the sidecar in
// that state every second time, and makes room again. What the file says in the end must equal the undisturbed run's.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t)
	w := &world{options: options{seed: 11, rate: 200, binary: build(t), out: t.Output()}, dir: t.TempDir(),
		sink: "file:" + filepath.Join(disk, "sink"), database: firstDatabase}
	defer w.close() //nolint:errcheck // the test is over
	if err := errors.Join(w.startPostgres(t.Context()), w.prepare(t.Context())); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.sidecar, err = startInstance(w.dir, "sidecar", w.command); err != nil {
		t.Fatal(err)
	}
	load, err := startLoad(t.Context(), w, writers)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(w.options.seed, 2))
	for round := range 8 {
		fillDisk(t, w, disk, random.Int64N(64<<10), round%2 == 1)
	}
	if _, err := load.stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, want := journalOf(t, w, filepath.Join(disk, "sink")), journalOf(t, w, filepath.Join(w.dir, "reference"))
	d := got.compare(want)
	t.Logf("%d events, %d lost, %d doubled, %d out of order", d.Total, d.Lost, d.Doubled, d.Disorder)
	if !d.Clean() || d.Total == 0 {
		t.Fatal(got.explain(t.Output(), want))
	}
}

// smallDisk mounts a file system of 64 MB in memory.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64m"); err != nil {
		lab.Missing(t, "a small disk needs the right to mount one:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk leaves so many bytes free, waits until the sidecar has met the end, and makes room again.
func fillDisk(t *testing.T, w *world, disk string, free int64, kill bool) {
	t.Helper()
	met := bytes.Count(sidecarLog(t, w), []byte("no space left"))
	ballast := filepath.Join(disk, "ballast")
	size, err := growToEnd(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(ballast, max(0, size-free)); err != nil {
		t.Fatal(err)
	}
	err = eventually(t.Context(), "fill the disk", func() error {
		if bytes.Count(sidecarLog(t, w), []byte("no space left")) == met {
			return errors.New("the sidecar has not noticed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if kill {
		err = w.sidecar.signal(syscall.SIGKILL)
	}
	before := eventBytes(disk)
	err = errors.Join(err, os.Remove(ballast), eventually(t.Context(), "go on after the disk was full", func() error {
		if now := eventBytes(disk); now <= before {
			return fmt.Errorf("still %d bytes of events", now)
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
}

// growToEnd writes a file until the disk is full.
func growToEnd(path string) (size int64, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // it only takes room
	for chunk := make([]byte, 64<<10); ; {
		n, err := file.Write(chunk)
		size += int64(n)
		if errors.Is(err, syscall.ENOSPC) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

func eventBytes(disk string) int64 {
	info, err := os.Stat(filepath.Join(disk, "sink", "events.jsonl"))
	if err != nil {
		return 0
	}
	return info.Size()
}

func sidecarLog(t *testing.T, w *world) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(w.dir, "sidecar.log"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func journalOf(t *testing.T, w *world, sink string) *journal {
	t.Helper()
	j, err := newJournal(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.readFile(filepath.Join(sink, "events.jsonl")); err != nil {
		t.Fatal(err)
	}
	return j
}
