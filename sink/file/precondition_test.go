package file

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/deploy/lab"
)

// TestCheck looks at a directory in every condition that a first day, and a bad one, brings.
func TestCheck(t *testing.T) {
	made := filepath.Join(t.TempDir(), "made")
	f, _ := resumed(t, made, Options{})
	commit(t, f, sequenced(1))
	idle := rotated(t, 3)
	open := rotated(t, 2)
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(idle, 0o750); err != nil {
		t.Fatal(err)
	}
	damaged := rotated(t, 2)
	state := content(t, damaged, stateName)
	state[len(state)-1] ^= 1
	write(t, damaged, stateName, state)
	listless := rotated(t, 3)
	remove(t, listless, manifestName)
	holed := rotated(t, 4)
	remove(t, holed, listed(t, holed)[1].File)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir  string
		want string // severity, and part of what is said
	}{
		"to be made":      {filepath.Join(t.TempDir(), "a", "b"), "ok does not exist yet"},
		"empty":           {t.TempDir(), "ok empty; run begins"},
		"written to":      {made, "ok an instance is writing"},
		"idle":            {idle, "ok nobody is writing"},
		"what it holds":   {idle, "ok 2 finished segments"},
		"open to all":     {open, "warn every user of this host"},
		"a file":          {path, "fail not a directory"},
		"below a file":    {filepath.Join(path, "dir"), "fail not a directory"},
		"damaged":         {damaged, "fail committed data is damaged"},
		"manifest gone":   {listless, "fail manifest.jsonl"},
		"a segment gone":  {holed, "fail is missing, though older segments are there"},
		"events gone":     {gone(t, eventsName), "fail events.jsonl"},
		"state gone":      {gone(t, stateName), "fail state.log"},
		"little room":     {disk(t, "size=4m", 0), "warn MB are free"},
		"no room at all":  {disk(t, "size=64k", 0), "fail 0 MB are free"},
		"a disk for read": {disk(t, "size=4m", syscall.MS_RDONLY), "fail read-only file system"},
	} {
		severity, says, _ := strings.Cut(c.want, " ")
		told := false
		findings := newFile(t, c.dir, Options{}).Check(context.Background(), func(string, []byte) error { return nil })
		for _, f := range findings {
			told = told || (f.Severity == check.Severity(severity) && strings.Contains(f.Detail, says))
			if (f.Severity != check.OK) != (f.Repair != "") {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if !told {
			t.Errorf("%s: want %q in %+v", name, c.want, findings)
		}
	}
	if _, err := os.Stat(filepath.Join(made, lockName)); err != nil {
		t.Error(err)
	}
	commit(t, f, sequenced(2)) // nothing of that disturbed the one who writes
}

// gone is a sink of which a file was removed.
func gone(t *testing.T, name string) string {
	t.Helper()
	dir := rotated(t, 2)
	remove(t, dir, name)
	return dir
}

// disk mounts a small file system.
func disk(t *testing.T, size string, flags uintptr) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", flags, size); err != nil {
		lab.Missing(t, "mounting a small file system needs root and the right to mount")
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) }) //nolint:errcheck // it goes with this process's mounts
	return dir
}
