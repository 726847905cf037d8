package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

// recorded returns the first n recorded events.
func recorded(t *testing.T, n int) [][]byte {
	t.Helper()
	text, err := os.ReadFile("../../schemas/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(text), []byte("\n"))[:n]
}

// elsewhere returns the same events as another database would have published them: all places moved by some bytes of WAL.
func elsewhere(t *testing.T, lines [][]byte, sequence func(string) string) [][]byte {
	t.Helper()
	var out [][]byte
	var at schemas.Chain
	for _, line := range lines {
		a := (&sink.Stored{Value: line}).Attributes()
		_, chain := at.Next()
		moved := strings.NewReplacer(a.Source, a.Source+"2", `"sequence":"`+a.Sequence, `"sequence":"`+sequence(a.Sequence), `"chain":"`+a.Chain,
			`"chain":"`+chain).Replace(string(line))
		at.Add(a.Number, []byte(moved))
		out = append(out, []byte(moved))
	}
	return out
}

// another returns an event as the one that goes on, with a number, from another one.
func another(before, line []byte, number uint64) []byte {
	a := (&sink.Stored{Value: line}).Attributes()
	var at schemas.Chain
	at.Add(number-1, before)
	return []byte(strings.NewReplacer(fmt.Sprintf(`"number":"%d"`, a.Number), fmt.Sprintf(`"number":"%d"`, number), a.Chain, at.Hash).Replace(string(line)))
}

// trimmed is a sink whose beginning retention may have removed.
type trimmed struct{ lagging }

func (*trimmed) Kept(context.Context) ([]sink.Kept, error) { return []sink.Kept{{First: 1}}, nil }

// copyTo copies what a sink shows into a directory, and returns what is there then.
func copyTo(t *testing.T, dir string, from settings.Point, lines [][]byte) (r *replay, written string, err error) {
	t.Helper()
	to, err := file.New(dir, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close() //nolint:errcheck // the test says what is there
	r = &replay{to: to, progress: io.Discard, old: make(map[string]int)}
	err = r.run(context.Background(), &trimmed{lagging{checkpointAt(t, lines[len(lines)-1]), [][][]byte{lines}}}, from, settings.Point{})
	text, _ := os.ReadFile(dir + "/events.jsonl") // it need not be there
	return r, string(text), err
}

// TestReplayIntoAnotherCopy: what is not there was never "there already". A copy goes on from the same history only, and from its end.
func TestReplayIntoAnotherCopy(t *testing.T) {
	all := recorded(t, 40)
	lower := elsewhere(t, all, func(s string) string { return "0" + s[1:8] + "00" + s[10:] })
	higher := elsewhere(t, all, func(s string) string { return "1" + s[1:] })
	at, err := time.Parse(time.RFC3339Nano, (&sink.Stored{Value: all[20]}).Attributes().Time)
	if err != nil {
		t.Fatal(err)
	}
	middle := settings.Point{Time: at}
	for name, c := range map[string]struct {
		before, after [][]byte
		from          settings.Point // of the first copy
		says          string         // empty where it goes on
		copied, there int
	}{
		"the same again":                  {all, all, settings.Point{}, "", 0, 40},
		"goes on":                         {all[:20], all, settings.Point{}, "", 20, 20},
		"goes on where retention has cut": {all[:20], all[20:], settings.Point{}, "", 20, 0},
		"a hole":                          {all[:20], all[30:], settings.Point{}, "", 10, 0},
		"another one, lower":              {all, lower, settings.Point{}, "nothing can be put before what is there", 0, 0},
		"another one, higher":             {all, higher, settings.Point{}, "holds another history", 0, 0},
		"another one, higher, cut":        {all[:20], higher[30:], settings.Point{}, "holds another history", 0, 0},
		"forked":                          {all[:20], append(slices.Clone(all[:19]), another(all[18], all[20], 20)), settings.Point{}, "holds another history", 0, 0},
		"rolled back":                     {all, all[:30], settings.Point{}, "rolled back", 0, 0},
		"what stands before it":           {all, all, middle, "nothing can be put before what is there", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, first, err := copyTo(t, dir, c.from, c.before)
			if err != nil || first == "" {
				t.Fatal(err)
			}
			r, second, err := copyTo(t, dir, settings.Point{}, c.after)
			if c.says != "" {
				if err == nil || settings.ExitCode(err) != 2 || !strings.Contains(err.Error(), c.says) || second != first {
					t.Errorf("%d bytes of %d: %v", len(second), len(first), err)
				}
				return
			}
			if err != nil || r.copied != c.copied || r.skipped != c.there || (r.done.hole != "") != (name == "a hole") {
				t.Errorf("%d copied, %d were there, hole %q: %v", r.copied, r.skipped, r.done.hole, err)
			}
			if want := string(bytes.Join(c.after[len(c.after)-c.copied:], []byte("\n"))); !strings.HasPrefix(second, first) || strings.TrimSpace(second[len(first):]) != want {
				t.Errorf("%d bytes were added, want %d", len(second)-len(first), len(want))
			}
		})
	}
}

// TestReplayOfTwoServers: a sequence is a place of one server. Where another one's history was begun behind the first in the same files, its
// events would count as copied.
func TestReplayOfTwoServers(t *testing.T) {
	all := recorded(t, 20)
	lower := elsewhere(t, all, func(s string) string { return "0" + s[1:8] + "00" + s[10:] })
	_, _, err := copyTo(t, t.TempDir(), settings.Point{}, append(append([][]byte{}, all...), lower...))
	if settings.ExitCode(err) != 3 || !strings.Contains(err.Error(), "another server") {
		t.Errorf("%v", err)
	}
}
