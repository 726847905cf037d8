package file

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/sink"
)

// findings are what CheckSegments says.
func findings(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := newFile(t, dir, Options{}).CheckSegments(context.Background(), func(finding string) { found = append(found, finding) })
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// TestFileRetention removes the oldest segments: the rest is read, and how much is gone is told.
func TestFileRetention(t *testing.T) {
	dir := rotated(t, 5)
	segments := listed(t, dir)
	for _, s := range segments[:2] {
		remove(t, dir, s.File)
	}
	if got, want := lines(t, dir), sequencedUpTo(5)[len(sequencedUpTo(2)):]; !bytes.Equal(got, want) {
		t.Errorf("events\n%swant\n%s", got, want)
	}
	kept, err := newFile(t, dir, Options{}).Kept(context.Background())
	if want := (sink.Kept{Topic: segments[2].File, First: 6, Segments: 2}); err != nil || len(kept) != 1 || kept[0] != want {
		t.Errorf("kept %+v, error %v, want %+v", kept, err, want)
	}
	if found := findings(t, dir); len(found) > 0 {
		t.Errorf("findings %q", found)
	}
	for _, s := range segments[2:] {
		remove(t, dir, s.File)
	}
	if kept, err := newFile(t, dir, Options{}).Kept(context.Background()); err != nil || kept[0].Topic != eventsName || kept[0].First != 12 {
		t.Errorf("kept %+v, error %v", kept, err)
	}
	resumed(t, dir, Options{RotateSize: 1})
}

// TestFileSegmentDamage tells a segment that is missing in the middle, damaged, altered, or that the manifest does not know.
func TestFileSegmentDamage(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(dir string, s Segment)
		says string
		read bool // reading notices it too
	}{
		"missing": {func(dir string, s Segment) { remove(t, dir, s.File) }, "is missing, though older segments are there", true},
		"cut": {func(dir string, s Segment) {
			zip := content(t, dir, s.File)
			write(t, dir, s.File, zip[:len(zip)-9])
		}, "unexpected EOF", true},
		"flipped": {func(dir string, s Segment) {
			zip := content(t, dir, s.File)
			zip[len(zip)-6] ^= 1 // its checksum
			write(t, dir, s.File, zip)
		}, "invalid checksum", true},
		"another's": {func(dir string, s Segment) {
			write(t, dir, s.File, content(t, dir, listed(t, dir)[0].File))
		}, "the manifest says 3", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := rotated(t, 4)
			segment := listed(t, dir)[1]
			c.harm(dir, segment)
			if found := findings(t, dir); len(found) != 1 || !strings.Contains(found[0], segment.File) || !strings.Contains(found[0], c.says) {
				t.Errorf("findings %q, want one with %q", found, c.says)
			}
			err := newFile(t, dir, Options{}).ReadEvents(context.Background(), sink.Range{}, func(*sink.Stored) error { return nil })
			if errors.Is(err, sink.ErrCorrupt) != c.read || (c.read && !strings.Contains(err.Error(), segment.File)) {
				t.Errorf("reading: %v", err)
			}
		})
	}
}

// TestFileManifestGone is loud: without it no one could say whether the segments are all.
func TestFileManifestGone(t *testing.T) {
	for name, harm := range map[string]func(dir string){
		"gone":  func(dir string) { remove(t, dir, manifestName) },
		"cut":   func(dir string) { write(t, dir, manifestName, content(t, dir, manifestName)[:100]) },
		"other": func(dir string) { write(t, dir, manifestName, []byte(`{"file":"../x"}`+"\n")) },
	} {
		dir := rotated(t, 3)
		harm(dir)
		err := newFile(t, dir, Options{}).ReadEvents(context.Background(), sink.Range{}, func(*sink.Stored) error { return nil })
		if !errors.Is(err, sink.ErrCorrupt) || !strings.Contains(err.Error(), manifestName) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestResumeTellsOfASegment: a start misses no finished segment in silence, and goes on. Of the oldest, which may be removed, it
// says nothing.
func TestResumeTellsOfASegment(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(dir string, segments []Segment)
		want string // part of what is said; empty for nothing
	}{
		"whole":                   {func(string, []Segment) {}, ""},
		"the oldest removed":      {func(dir string, s []Segment) { remove(t, dir, s[0].File) }, ""},
		"one between others gone": {func(dir string, s []Segment) { remove(t, dir, s[1].File) }, "is missing, though older segments are there"},
		"the newest gone":         {func(dir string, s []Segment) { remove(t, dir, s[len(s)-1].File) }, "is missing, though older segments are there"},
		"one that is not listed": {func(dir string, s []Segment) {
			list := bytes.SplitAfter(content(t, dir, manifestName), []byte("\n"))
			write(t, dir, manifestName, bytes.Join(slices.Delete(list, 1, 2), nil))
		}, "is not in manifest.jsonl"},
	} {
		dir := rotated(t, 5)
		c.harm(dir, listed(t, dir))
		var told []string
		f := newFile(t, dir, Options{RotateSize: 1, Missing: func(err error) { told = append(told, err.Error()) }})
		if _, err := load(f); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		commit(t, f, sequenced(6))
		if c.want == "" && len(told) > 0 || c.want != "" && (len(told) != 1 || !strings.Contains(told[0], c.want)) {
			t.Errorf("%s: %q, want %q", name, told, c.want)
		}
	}
}

// TestDirectoryThatIsALink: one that leads to a disk which is not mounted is not made by a run, so check must not say so.
func TestDirectoryThatIsALink(t *testing.T) {
	dir := t.TempDir()
	for name, to := range map[string]string{"nowhere": filepath.Join(dir, "unmounted"), "circle": "circle"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{filepath.Join(dir, name), filepath.Join(dir, name, "below")} {
			f := newFile(t, path, Options{})
			if found := f.Check(t.Context(), func(string, []byte) error { return nil }); found[0].Severity != check.Fail {
				t.Errorf("%s: check says %+v", path, found)
			}
			err := f.Resume(t.Context(), func(string, []byte) error { return nil })
			if err == nil || !strings.Contains(err.Error(), "leads nowhere") {
				t.Errorf("%s: a run ends with %v", path, err)
			}
		}
	}
}
