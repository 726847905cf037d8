package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lowcap-cdc/sink/file"
)

// target is the directory that the Parquet files are written to. A segment that is written has an empty file with its
// first sequence as the name in _done; readers of Hive partitions pass over a name that begins so.
type target struct {
	dir     string
	lock    *os.File
	removed int // how many segments have been reported as removed
}

const doneName = "_done"

// openTarget makes the directory, and locks it: two writers would write into each other's files.
func openTarget(dir string) (*target, error) {
	if err := os.MkdirAll(filepath.Join(dir, doneName), 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, doneName, "lock"), os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w; another lowcap-parquet writes there: stop it (fuser -v %s) or choose another directory",
			lock.Name(), err, lock.Name()), lock.Close())
	}
	return &target{dir: dir, lock: lock}, nil
}

func (t *target) close() { t.lock.Close() } //nolint:errcheck // nothing was written to it

func (t *target) done(s file.Segment) string { return filepath.Join(t.dir, doneName, s.FirstSequence) }

// has reports whether a segment is written.
func (t *target) has(s file.Segment) (bool, error) {
	_, err := os.Stat(t.done(s))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// write writes a segment's files, and then that it is written. Each file gets its name when it is whole and durable;
// names and bytes follow from the segment, so a killed write is simply done again.
func (t *target) write(ctx context.Context, from *file.Sink, s file.Segment) (files int, err error) {
	w := newSegmentWriter(t.dir, s.FirstSequence)
	defer w.abandon()
	if err := from.ReadSegment(ctx, s, w.add); err != nil {
		return 0, err
	}
	if w.events != s.Events {
		return 0, fmt.Errorf("%s holds %d events, its line in the manifest says %d; run: lowcap-cdc audit verify", s.File, w.events, s.Events)
	}
	paths, err := w.finish()
	if err != nil {
		return 0, err
	}
	if err := t.publish(paths); err != nil {
		return 0, err
	}
	marker, err := os.Create(t.done(s))
	if err != nil {
		return 0, err
	}
	return len(paths), errors.Join(marker.Close(), syncDir(filepath.Dir(marker.Name())))
}

// publish gives the files their names, and makes these durable with those of the directories above.
func (t *target) publish(paths []string) error {
	dirs := map[string]bool{t.dir: true}
	for _, path := range paths {
		if err := os.Rename(path+partialSuffix, path); err != nil {
			return err
		}
		day := filepath.Dir(path)
		dirs[day], dirs[filepath.Dir(day)] = true, true
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
