package file

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink"
)

// history commits numbered(1) and numbered(2) and returns both files after each.
func history(t *testing.T) (events, state [2][]byte) {
	t.Helper()
	dir := t.TempDir()
	f, _ := resumed(t, dir, Options{})
	for n := range 2 {
		commit(t, f, numbered(n+1))
		events[n], state[n] = content(t, dir, eventsName), content(t, dir, stateName)
	}
	return events, state
}

// TestFileKilledAtEveryByte cuts the files at every length that a kill during the second commit can leave.
func TestFileKilledAtEveryByte(t *testing.T) {
	events, state := history(t)
	for cut := len(events[0]); cut <= len(events[1]); cut++ {
		dir := place(t, events[1][:cut], state[0])
		continues(t, newFile(t, dir, Options{}), dir, 1)
	}
	killed := untold(state)
	for cut := len(state[0]); cut <= len(killed); cut++ {
		want := 1
		if cut == len(killed) {
			want = 2
		}
		dir := place(t, events[1], killed[:cut])
		continues(t, newFile(t, dir, Options{}), dir, want)
	}
}

// untold returns the second log before its tip was written, which comes after the commit.
func untold(state [2][]byte) []byte {
	return append(bytes.Clone(state[0][:logHeader]), state[1][logHeader:]...)
}

// TestFileTornByZeros is what some file systems show after a power loss: the new length, and zeros for the last bytes.
func TestFileTornByZeros(t *testing.T) {
	events, state := history(t)
	killed := untold(state)
	for cut := len(state[0]); cut < len(killed); cut++ {
		torn := append(bytes.Clone(killed[:cut]), make([]byte, len(killed)-cut)...)
		if bytes.Equal(torn, killed) {
			continue
		}
		dir := place(t, events[1], torn)
		continues(t, newFile(t, dir, Options{}), dir, 1)
	}
}

// TestFileDamageIsLoud flips each byte before the last commit record.
func TestFileDamageIsLoud(t *testing.T) {
	events, state := history(t)
	for at := range state[0] {
		damaged := bytes.Clone(state[1])
		damaged[at] ^= 0x40
		dir := place(t, events[1], damaged)
		f := newFile(t, dir, Options{})
		if got, err := load(f); !errors.Is(err, sink.ErrCorrupt) || len(got) > 0 {
			t.Fatalf("byte %d flipped: loaded %v, error %v", at, got, err)
		}
		if !bytes.Equal(content(t, dir, stateName), damaged) || !bytes.Equal(content(t, dir, eventsName), events[1]) {
			t.Fatalf("byte %d flipped: resume changed the files", at)
		}
	}
}

// TestFileLostEventsAreLoud covers events that are committed but gone or changed.
func TestFileLostEventsAreLoud(t *testing.T) {
	events, state := history(t)
	changed := bytes.Clone(events[1])
	changed[len(changed)-5] ^= 1
	for name, c := range map[string]struct {
		events, state []byte
		says          string
	}{
		"shorter":   {events[1][:len(events[1])-1], state[1], "293 bytes, 294 are committed"},
		"empty":     {nil, state[1], "has 0 bytes"},
		"changed":   {changed, state[1], "CRC-32C"},
		"no commit": {events[1], state[1][:logHeader], "whole are only the first 0"},
		"never any": {events[1], append(fileHeader(logVersion), make([]byte, tipSize)...), "no whole commit"},
		"no header": {events[1], state[1][:5], "does not begin"},
		"empty log": {events[1], nil, "does not begin"},
	} {
		_, err := load(newFile(t, place(t, c.events, c.state), Options{}))
		if !errors.Is(err, sink.ErrCorrupt) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.says)
		}
	}
	for _, missing := range []string{eventsName, stateName} {
		dir := place(t, events[1], state[1])
		if err := os.Remove(filepath.Join(dir, missing)); err != nil {
			t.Fatal(err)
		}
		if _, err := load(newFile(t, dir, Options{})); !errors.Is(err, sink.ErrCorrupt) {
			t.Errorf("%s missing: %v", missing, err)
		}
	}
}

// large is a batch whose state fills more than one record.
func large(fill byte) *cdc.Batch {
	batch := numbered(1)
	for _, key := range []string{"x", "y", "z"} {
		batch.State = append(batch.State, cdc.StateRecord{Key: key, Value: bytes.Repeat([]byte{fill}, partSize*2/3)})
	}
	return batch
}

// TestFileCompacts replaces large values until the log must have been rewritten, and loses nothing.
func TestFileCompacts(t *testing.T) {
	dir := t.TempDir()
	f, _ := resumed(t, dir, Options{})
	for fill := range byte(8) {
		commit(t, f, large('a'+fill))
		if size := f.log.offset; size > 3*f.live.bytes+compactSlack {
			t.Fatalf("log of %d bytes for %d live ones", size, f.live.bytes)
		}
	}
	commit(t, f, &cdc.Batch{State: []cdc.StateRecord{{Key: "x"}, {Key: "y"}}})
	want := f.live.bytes
	_ = f.Close()
	again, state := resumed(t, dir, Options{})
	if len(state) != 2 || state["z"] != strings.Repeat("h", partSize*2/3) || again.live.bytes != want {
		t.Fatalf("%d records, %d live bytes, want 2 and %d", len(state), again.live.bytes, want)
	}
}

// TestFileKilledInCompaction stops before and after the rename, and with a half-written new log.
func TestFileKilledInCompaction(t *testing.T) {
	for _, point := range []string{pointRename, pointRenamed, "half"} {
		dir, stop := t.TempDir(), errors.New("stop here")
		f, _ := resumed(t, dir, Options{Hook: func(at string) error {
			if at == point || (point == "half" && at == pointRename) {
				return stop
			}
			return nil
		}})
		fill, err := byte('a'), error(nil)
		for ; err == nil; fill++ {
			err = f.Commit(context.Background(), large(fill))
		}
		if !errors.Is(err, stop) {
			t.Fatalf("%s: %v", point, err)
		}
		_ = f.Close()
		if point == "half" {
			if err := os.Truncate(filepath.Join(dir, newName), 100); err != nil {
				t.Fatal(err)
			}
		}
		next, state := resumed(t, dir, Options{})
		if len(state) != 4 || state["x"] != strings.Repeat(string(fill-1), partSize*2/3) {
			t.Fatalf("%s: %d records after resume", point, len(state))
		}
		commit(t, next, numbered(2))
	}
}
