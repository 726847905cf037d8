package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/sinktest"
)

// TestRotatedFileConforms runs the suite with a rotation every few commits. Events are read beside the running sink, while
// it compresses.
func TestRotatedFileConforms(t *testing.T) {
	dir := t.TempDir()
	sinktest.Run(t, sinktest.Target{
		Open:    func(t testing.TB) cdc.Sink { return newFile(t, dir, Options{RotateSize: 2000}) },
		Events:  func(t testing.TB) [][]byte { return stored(t, dir) },
		Abandon: func(_ testing.TB, s cdc.Sink) { _ = s.Close() },

		Sequences: 15, // each reads what the ones before it left
	})
	if n := len(listed(t, dir)); n < 20 {
		t.Errorf("only %d segments: the suite did not rotate", n)
	}
	unpacked(t, dir)
}

// stored reads what is committed, as someone beside the running sink may.
func stored(t testing.TB, dir string) [][]byte {
	t.Helper()
	var values [][]byte
	err := newFile(t, dir, Options{}).ReadEvents(context.Background(), sink.Range{}, func(e *sink.Stored) error {
		values = append(values, e.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// lines is stored as text.
func lines(t testing.TB, dir string) []byte {
	t.Helper()
	var text []byte
	for _, value := range stored(t, dir) {
		text = append(append(text, value...), '\n')
	}
	return text
}

func listed(t testing.TB, dir string) []Segment {
	t.Helper()
	list, err := newFile(t, dir, Options{}).manifest()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// unpacked returns the text of the listed segments in their order, after holding each against the manifest. It shares
// nothing with the reader.
func unpacked(t testing.TB, dir string) []byte {
	t.Helper()
	var text []byte
	for _, s := range listed(t, dir) {
		zip, err := gzip.NewReader(bytes.NewReader(content(t, dir, s.File)))
		if err != nil {
			t.Fatal(err)
		}
		part, err := io.ReadAll(zip)
		if err != nil {
			t.Fatal(err)
		}
		sum, all := sha256.Sum256(part), bytes.Split(part, []byte("\n"))
		if s.SHA256 != hex.EncodeToString(sum[:]) || s.Bytes != int64(len(part)) || s.Events != len(all)-1 ||
			!bytes.Contains(all[0], []byte(s.FirstSequence)) || !bytes.Contains(all[len(all)-2], []byte(s.LastSequence)) {
			t.Fatalf("%+v does not fit its %d bytes", s, len(part))
		}
		text = append(text, part...)
	}
	return text
}

// sequenced is numbered(n) with a sequence and a time in each value, n minutes after midnight.
func sequenced(n int) *cdc.Batch {
	batch := numbered(n)
	for i := range batch.Events {
		e := &batch.Events[i]
		e.Time = time.Date(2026, 1, 18, 0, n, 0, 0, time.UTC).Format(time.RFC3339)
		e.Value = fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"/postgres/1/trading","type":%q,"sequence":%q,"time":%q}`,
			e.ID, e.Type, e.Sequence, e.Time)
	}
	return batch
}

func sequencedUpTo(n int) []byte {
	var text []byte
	for i := 1; i <= n; i++ {
		for _, event := range sequenced(i).Events {
			text = append(append(text, event.Value...), '\n')
		}
	}
	return text
}

// same fails unless a reader of dir gets exactly sequenced(1) to sequenced(n).
func same(t testing.TB, dir string, n int) {
	t.Helper()
	if got := lines(t, dir); !bytes.Equal(got, sequencedUpTo(n)) {
		t.Fatalf("events\n%swant\n%s", got, sequencedUpTo(n))
	}
}

// rotated commits sequenced(1) to sequenced(n), each but the last in a segment of its own, and closes the sink.
func rotated(t testing.TB, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	f, _ := resumed(t, dir, Options{RotateSize: 1})
	for i := 1; i <= n; i++ {
		commit(t, f, sequenced(i))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestFileRotationKilled stops at each point of a rotation and of an archive, as a crash would. A reader beside the dead
// sink, and the next instance, have exactly what was committed; so it continues when each start is killed there again.
func TestFileRotationKilled(t *testing.T) {
	for _, point := range []string{pointRotate, pointRotated,
		pointArchive + ":1", pointArchived + ":1", pointArchive + ":2", pointArchived + ":2"} {
		t.Run(point, func(t *testing.T) {
			dir, stop := t.TempDir(), errors.New("stop here")
			deadly := func() Options {
				var passed atomic.Int64
				name, at, _ := strings.Cut(point, ":")
				return Options{RotateSize: 1, Hook: func(here string) error {
					if here == name && (at == "" || fmt.Sprint(passed.Add(1)) == at) {
						return stop
					}
					return nil
				}}
			}
			done := 0
			for round := range 4 {
				f, state := resumed(t, dir, deadly())
				if done > 0 && state["checkpoint"] != fmt.Sprint(done) {
					t.Fatalf("state %v, want checkpoint %d", state, done)
				}
				died := killAt(t, f, &done, stop)
				same(t, dir, done)
				if !died {
					t.Fatalf("round %d: the point was not passed", round)
				}
			}
			f, _ := resumed(t, dir, Options{RotateSize: 1})
			commit(t, f, sequenced(done+1))
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			same(t, dir, done+1)
			if got := append(unpacked(t, dir), content(t, dir, eventsName)...); !bytes.Equal(got, sequencedUpTo(done+1)) {
				t.Fatalf("segments\n%swant\n%s", got, sequencedUpTo(done+1))
			}
		})
	}
}

// killAt commits until the hook stops the sink, and counts what was committed.
func killAt(t *testing.T, f *Sink, done *int, stop error) bool {
	t.Helper()
	for range 3 {
		err := f.Commit(context.Background(), sequenced(*done+1))
		if errors.Is(err, stop) {
			_ = f.Close()
			return true
		}
		if err != nil {
			t.Fatal(err)
		}
		*done++
	}
	return errors.Is(f.Close(), stop)
}

// TestFileTornArchive leaves half a compressed file and half a manifest, under the names that a crash leaves them.
func TestFileTornArchive(t *testing.T) {
	dir := rotated(t, 3)
	segment := listed(t, dir)[1]
	text := sequencedUpTo(2)[len(sequencedUpTo(1)):]
	write(t, dir, segmentText(segment.FirstSequence), text)
	write(t, dir, segment.File+partialSuffix, content(t, dir, segment.File)[:10])
	write(t, dir, manifestName+partialSuffix, content(t, dir, manifestName)[:10])
	same(t, dir, 3)
	f, _ := resumed(t, dir, Options{})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, dir, 3)
	if got := unpacked(t, dir); !bytes.Equal(got, sequencedUpTo(2)) {
		t.Errorf("segments\n%s", got)
	}
}

func write(t testing.TB, dir, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFileRotatesByTime goes by the events' clock, also across a restart: minutes 0 to 2, 3 to 5, 6 to 8, and so on.
func TestFileRotatesByTime(t *testing.T) {
	dir, options := t.TempDir(), Options{RotateEvery: 3 * time.Minute}
	f, _ := resumed(t, dir, options)
	for n := 1; n <= 10; n++ {
		commit(t, f, sequenced(n))
		if n == 4 {
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			f, _ = resumed(t, dir, options)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var spans []string
	for _, s := range listed(t, dir) {
		spans = append(spans, strings.ReplaceAll(s.FirstSequence+"-"+s.LastSequence, "00000000", ""))
	}
	if want := []string{"00000003-00000008", "00000009-00000011", "00000012-0000001a"}; !slices.Equal(spans, want) {
		t.Errorf("segments %q, want %q", spans, want)
	}
	same(t, dir, 10)
}

// TestFileKeepsPartsTogether does not rotate between the parts of one commit, and their state.
func TestFileKeepsPartsTogether(t *testing.T) {
	dir := t.TempDir()
	f, _ := resumed(t, dir, Options{RotateSize: 1})
	commit(t, f, sequenced(1))
	part := sequenced(2)
	part.Events, part.More = nil, true
	commit(t, f, part)
	commit(t, f, &cdc.Batch{Events: sequenced(2).Events, More: true})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, state := resumed(t, dir, Options{RotateSize: 1})
	if state["checkpoint"] != "1" {
		t.Fatalf("state %v: a part counts", state)
	}
	same(t, dir, 1)
	commit(t, f, sequenced(2))
	same(t, dir, 2)
}

// TestFileKeepsSegments refuses to write over a segment, and leaves other people's files alone.
func TestFileKeepsSegments(t *testing.T) {
	dir := t.TempDir()
	mine, segment := "events-of-mine.jsonl", segmentText(sequenced(1).Events[0].Sequence)
	f, _ := resumed(t, dir, Options{RotateSize: 1})
	if err := f.archived(true); err != nil { // else the start would take it for its own
		t.Fatal(err)
	}
	write(t, dir, mine, []byte("{}\n"))
	write(t, dir, segment, []byte("{}\n"))
	commit(t, f, sequenced(1))
	if err := f.Commit(context.Background(), sequenced(2)); err == nil || !strings.Contains(err.Error(), "move one of them away") {
		t.Fatalf("commit over a segment: %v", err)
	}
	if err := errors.Join(f.Close(), os.Remove(filepath.Join(dir, segment))); err != nil {
		t.Fatal(err)
	}
	f, _ = resumed(t, dir, Options{RotateSize: 1})
	commit(t, f, sequenced(2))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, dir, 2)
	if string(content(t, dir, mine)) != "{}\n" {
		t.Error("somebody else's file was touched")
	}
}
