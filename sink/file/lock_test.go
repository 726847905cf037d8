package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lowcap-cdc/sink"
)

// TestLockOutlivesItsFile: someone who clears away the lock's file lets no one in.
func TestLockOutlivesItsFile(t *testing.T) {
	dir := t.TempDir()
	first, _ := resumed(t, dir, Options{})
	remove(t, dir, lockName)
	if _, err := load(newFile(t, dir, Options{})); !errors.Is(err, ErrLocked) {
		t.Fatalf("second instance: %v", err)
	}
	commit(t, first, numbered(1))
}

// TestFilesThatAreTakenAway: a commit into files that have no name any more would be lost with the process.
func TestFilesThatAreTakenAway(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"events removed": func(dir string) error { return os.Remove(filepath.Join(dir, eventsName)) },
		"events moved": func(dir string) error {
			return os.Rename(filepath.Join(dir, eventsName), filepath.Join(dir, "events.1"))
		},
		"state removed":     func(dir string) error { return os.Remove(filepath.Join(dir, stateName)) },
		"directory moved":   func(dir string) error { return os.Rename(dir, dir+".old") },
		"directory removed": os.RemoveAll,
		"events replaced": func(dir string) error {
			path := filepath.Join(dir, eventsName)
			text, err := os.ReadFile(path)
			return errors.Join(err, os.Remove(path), os.WriteFile(path, text, 0o600))
		},
	} {
		dir := filepath.Join(t.TempDir(), "sink")
		f, _ := resumed(t, dir, Options{})
		commit(t, f, numbered(1))
		if err := harm(dir); err != nil {
			t.Fatal(err)
		}
		err := f.Commit(context.Background(), numbered(2))
		if !errors.Is(err, sink.ErrCorrupt) || !strings.Contains(err.Error(), "put it back") {
			t.Errorf("%s: commit says %v", name, err)
		}
	}
}

// TestPermissions: what a trading bot does is no one else's business.
func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	f, _ := resumed(t, dir, Options{RotateSize: 1})
	for n := 1; n <= 3; n++ {
		commit(t, f, sequenced(n))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if want := fs.FileMode(0o640); err == nil && entry.Type().IsRegular() && info.Mode().Perm() != want {
			t.Errorf("%s has %v, want %v", path, info.Mode().Perm(), want)
		}
		if want := fs.FileMode(0o750); err == nil && entry.IsDir() && info.Mode().Perm() != want {
			t.Errorf("%s has %v, want %v", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
