package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink/sinktest"
)

func TestFileConforms(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by resume")
	sinktest.Run(t, sinktest.Target{
		Open: func(t testing.TB) cdc.Sink { return newFile(t, dir, Options{}) },
		Events: func(t testing.TB) [][]byte {
			text, err := os.ReadFile(filepath.Join(dir, eventsName))
			if err != nil {
				t.Fatal(err)
			}
			return bytes.Split(text[:committedLength(t, dir)], []byte("\n"))[:bytes.Count(text[:committedLength(t, dir)], []byte("\n"))]
		},
		// Close finishes nothing: it drops what is buffered, as the kernel does for a killed process.
		Abandon:   func(_ testing.TB, s cdc.Sink) { _ = s.Close() },
		Sequences: 40, // each reads what the ones before it left: a hundred take six times as long
	})
}

// committedLength reads state.log as someone beside the running sink may.
func committedLength(t testing.TB, dir string) int64 {
	file, err := os.Open(filepath.Join(dir, stateName))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	log, err := readLogState(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	return log.committed.end
}

func newFile(t testing.TB, dir string, options Options) *Sink {
	t.Helper()
	f, err := New(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// load resumes f and returns the state it hands out.
func load(f *Sink) (map[string]string, error) {
	state := map[string]string{}
	err := f.Resume(context.Background(), func(key string, value []byte) error {
		state[key] = string(value)
		if value == nil {
			delete(state, key)
		}
		return nil
	})
	return state, err
}

// resumed opens the sink in dir and fails unless it resumes.
func resumed(t testing.TB, dir string, options Options) (*Sink, map[string]string) {
	t.Helper()
	f := newFile(t, dir, options)
	state, err := load(f)
	if err != nil {
		t.Fatal(err)
	}
	return f, state
}

// numbered is a batch of three events and one checkpoint that says n.
func numbered(n int) *cdc.Batch {
	batch := &cdc.Batch{State: []cdc.StateRecord{{Key: "checkpoint", Value: fmt.Append(nil, n)}}}
	for i := range 3 {
		id := fmt.Sprintf("%d/%d", n, i)
		batch.Events = append(batch.Events, cdc.Event{
			Attributes: schemas.Attributes{ID: id, Type: "lowcap.trim_pool.opened.v1", Sequence: fmt.Sprintf("%032x", 3*n+i)},
			Value:      fmt.Appendf(nil, `{"id":%q,"type":"lowcap.trim_pool.opened.v1"}`, id),
		})
	}
	return batch
}

func commit(t testing.TB, f *Sink, batch *cdc.Batch) {
	t.Helper()
	if err := f.Commit(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

// content reads one file of the sink.
func content(t testing.TB, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// place writes both files of a sink as a crash left them.
func place(t testing.TB, events, state []byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string][]byte{eventsName: events, stateName: state} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// linesUpTo is what events.jsonl holds after numbered(1) to numbered(n).
func linesUpTo(n int) []byte {
	var lines []byte
	for i := 1; i <= n; i++ {
		for _, event := range numbered(i).Events {
			lines = append(append(lines, event.Value...), '\n')
		}
	}
	return lines
}

func TestFileLockHeld(t *testing.T) {
	dir := t.TempDir()
	first, _ := resumed(t, dir, Options{})
	_, err := load(newFile(t, dir, Options{}))
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "fuser -v") {
		t.Fatalf("second instance: %v", err)
	}
	commit(t, first, numbered(1))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, state := resumed(t, dir, Options{}); state["checkpoint"] != "1" {
		t.Fatalf("state after the first instance closed: %v", state)
	}
}

func TestFileWantsResumeFirst(t *testing.T) {
	f := newFile(t, t.TempDir(), Options{})
	if err := f.Commit(context.Background(), numbered(1)); err == nil || !strings.Contains(err.Error(), "Resume") {
		t.Fatalf("commit before resume: %v", err)
	}
	if _, err := New("", Options{}); err == nil {
		t.Fatal("a sink without a directory")
	}
}

// TestFileHook ends a commit at each point, as a crash would, and tells which of them had made it durable.
func TestFileHook(t *testing.T) {
	for point, want := range map[string]int{pointProduce: 1, pointEnd: 1, pointEnded: 2} {
		t.Run(point, func(t *testing.T) {
			dir, armed, stop := t.TempDir(), false, errors.New("stop here")
			f, _ := resumed(t, dir, Options{Hook: func(at string) error {
				if armed && at == point {
					return stop
				}
				return nil
			}})
			commit(t, f, numbered(1))
			armed = true
			if err := f.Commit(context.Background(), numbered(2)); !errors.Is(err, stop) {
				t.Fatalf("commit: %v", err)
			}
			if err := f.Commit(context.Background(), numbered(2)); err == nil {
				t.Fatal("a commit after a failed one succeeded")
			}
			continues(t, f, dir, want)
		})
	}
}

// continues closes f, expects exactly the first want commits, and moves on to the third one.
func continues(t *testing.T, f *Sink, dir string, want int) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	next, state := resumed(t, dir, Options{})
	if !maps.Equal(state, map[string]string{"checkpoint": fmt.Sprint(want)}) {
		t.Fatalf("state %v, want checkpoint %d", state, want)
	}
	if got := content(t, dir, eventsName); !bytes.Equal(got, linesUpTo(want)) {
		t.Fatalf("events after resume:\n%swant\n%s", got, linesUpTo(want))
	}
	for n := want + 1; n <= 3; n++ {
		commit(t, next, numbered(n))
	}
	if got := content(t, dir, eventsName); !bytes.Equal(got, linesUpTo(3)) {
		t.Fatalf("events at the end:\n%swant\n%s", got, linesUpTo(3))
	}
}

func TestFileRefusesLineEnd(t *testing.T) {
	f, _ := resumed(t, t.TempDir(), Options{})
	err := f.Commit(context.Background(), &cdc.Batch{Events: []cdc.Event{{Value: []byte("{\n}")}}})
	if err == nil || !strings.Contains(err.Error(), "line end") {
		t.Fatalf("event with a line end: %v", err)
	}
}
