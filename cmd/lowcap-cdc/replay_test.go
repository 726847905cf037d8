package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

// lagging is a sink that shows some of its events late, as a broker does where the end of a transaction is in one topic and not yet in
// another: each read shows what the next of reads holds, and the last one for ever.
type lagging struct {
	known []byte // the checkpoint
	reads [][][]byte
}

func (l *lagging) ReadState(_ context.Context, load func(key string, value []byte) error) error {
	return load(cdc.CheckpointKey, l.known)
}

func (l *lagging) ReadEvents(_ context.Context, _ sink.Range, visit func(*sink.Stored) error) error {
	lines := l.reads[0]
	if len(l.reads) > 1 {
		l.reads = l.reads[1:]
	}
	for _, line := range lines {
		if err := visit(&sink.Stored{Value: line}); err != nil {
			return err
		}
	}
	return nil
}

func (*lagging) Kept(context.Context) ([]sink.Kept, error) { return nil, nil }

// TestReplayBesideAnInstance: what a broker shows late is waited for, when the checkpoint knows it, and left out, when it was committed
// meanwhile. Neither is damage.
func TestReplayBesideAnInstance(t *testing.T) {
	text, err := os.ReadFile("../../schemas/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))[:40]
	without := func(n int) [][]byte { return slices.Delete(slices.Clone(all), n, n+1) }
	for name, c := range map[string]struct {
		known   int // events that the checkpoint knows
		reads   [][][]byte
		copied  int
		leftOut uint64
	}{
		"one in the middle comes late":  {40, [][][]byte{without(20), all}, 40, 0},
		"the last comes late":           {40, [][][]byte{all[:39], all}, 40, 0},
		"the first comes late":          {40, [][][]byte{all[1:], all}, 40, 0},
		"committed meanwhile":           {20, [][][]byte{without(30)}, 30, 31},
		"late, and committed meanwhile": {30, [][][]byte{without(20), without(35)}, 35, 36},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, written, err := replayed(t, &lagging{checkpointAt(t, all[c.known-1]), c.reads})
			if err != nil || r.copied != c.copied || r.skipped != 0 || r.links.LeftOut() != c.leftOut {
				t.Errorf("%d copied, %d skipped, %d left out: %v", r.copied, r.skipped, r.links.LeftOut(), err)
			}
			if want := string(bytes.Join(all[:c.copied], []byte("\n"))) + "\n"; written != want {
				t.Errorf("the copy is %d bytes, want %d", len(written), len(want))
			}
		})
	}
}

// TestReplayOfWhatIsGone: an event that does not come however often it is looked for is told, and what is before it is copied.
func TestReplayOfWhatIsGone(t *testing.T) {
	text, err := os.ReadFile("../../schemas/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))[:40]
	for name, c := range map[string]struct {
		lines  [][]byte
		copied int
		says   string
	}{
		"in the middle": {slices.Delete(slices.Clone(all), 20, 21), 20, "number 21 to 21, which are missing"},
		"at the end":    {all[:38], 38, "the checkpoint knows 40 events, the last that is there has number 38"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _, err := replayed(t, &lagging{checkpointAt(t, all[39]), [][][]byte{c.lines}})
			if !errors.Is(err, audit.ErrAltered) || !strings.Contains(err.Error(), c.says) || r.copied != c.copied {
				t.Errorf("%d copied: %v", r.copied, err)
			}
		})
	}
}

// checkpointAt returns a checkpoint whose last event is this one.
func checkpointAt(t *testing.T, event []byte) []byte {
	t.Helper()
	a := (&sink.Stored{Value: event}).Attributes()
	parts := strings.Split(a.Source, "/")
	known := cdc.Checkpoint{Identity: cdc.Identity{SystemID: parts[2], Database: parts[3]}}
	known.Events.Add(a.Number, event)
	value, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// replayed copies a sink into a directory, and returns what is there then.
func replayed(t *testing.T, from sink.Reader) (r *replay, written string, err error) {
	t.Helper()
	dir := t.TempDir()
	to, err := file.New(dir, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close() //nolint:errcheck // the test says what is there
	r = &replay{to: to, progress: io.Discard, old: make(map[string]int)}
	err = r.run(t.Context(), from, settings.Point{}, settings.Point{})
	text, _ := os.ReadFile(dir + "/events.jsonl") // it need not be there
	return r, string(text), err
}
