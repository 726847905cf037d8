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
	locks   []*os.File
	removed int // how many segments have been reported as removed
}

const doneName = "_done"

// What a trading bot does is for its user to read, and for the group that is let in.
const (
	fileMode = 0o640
	dirMode  = 0o750
)

// openTarget makes the directory, and locks it: two writers would write into each other's files. It locks the directory
// itself, which no one removes by clearing up, and the file that older versions lock.
func openTarget(dir string) (*target, error) {
	if err := os.MkdirAll(filepath.Join(dir, doneName), dirMode); err != nil {
		return nil, err
	}
	t := &target{dir: dir}
	for _, open := range []func() (*os.File, error){
		func() (*os.File, error) { return os.Open(dir) },
		func() (*os.File, error) {
			return os.OpenFile(filepath.Join(dir, doneName, "lock"), os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, fileMode)
		},
	} {
		file, err := open()
		if err != nil {
			t.close()
			return nil, err
		}
		t.locks = append(t.locks, file)
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			t.close()
			return nil, fmt.Errorf("lock %s: %w; another lowcap-parquet writes there: stop it (fuser -v %s) or choose another directory",
				file.Name(), err, file.Name())
		}
	}
	return t, nil
}

func (t *target) close() {
	for _, lock := range t.locks {
		lock.Close() //nolint:errcheck // nothing was written to it
	}
}

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
	marker, err := os.OpenFile(t.done(s), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
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
