package audit

import (
	"encoding/json"
	"errors"
	"testing"

	"lowcap-cdc/sink"
)

// standingOf is what is believed, as text.
func standingOf(t *testing.T, f *fold) string {
	t.Helper()
	text, err := json.Marshal(f.standing(&asked{}))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// folded is what is believed of whole lines, but for one.
func folded(t *testing.T, lines [][]byte, but int) string {
	t.Helper()
	f := newFold(uint64(len(lines)))
	for i, line := range lines {
		a := (&sink.Stored{Value: line}).Attributes()
		if f.pass(&a) && i != but {
			f.take(&a, line)
		}
	}
	return standingOf(t, f)
}

// feed feeds a reading with lines, of which the snapshot does not see one.
func (r *reading) feed(lines [][]byte, but int) error {
	for i, line := range lines {
		e := &sink.Stored{Value: line}
		a := e.Attributes()
		if err := r.take(e, &a, i != but); err != nil {
			return err
		}
	}
	return nil
}

// TestTrailGoesOn folds each event once, in its order, also those behind one that a snapshot did not see; and says where a trail is
// another one.
func TestTrailGoesOn(t *testing.T) {
	lines, _ := recordedLines(t)
	for unseen := range 40 {
		trail := &trail{fold: newFold(0)}
		first := trail.reading(40)
		if err := first.feed(lines[:40], unseen); err != nil || !first.hasAll() || first.events != 39 {
			t.Fatalf("%v, %d events", err, first.events)
		}
		if got, want := standingOf(t, first.fold()), folded(t, lines[:40], unseen); got != want {
			t.Fatalf("without event %d:\n%s\nwant\n%s", unseen+1, got, want)
		}
		if trail.events != unseen {
			t.Fatalf("without event %d it goes on behind %d", unseen+1, trail.events)
		}
		second := trail.reading(60)
		err := second.feed(lines[unseen/2:60], -1)
		if err != nil || !second.hasAll() || second.events != 60 || second.events-second.before != 60-unseen {
			t.Fatalf("behind event %d: %v, %+v", unseen, err, second)
		}
		if got, want := standingOf(t, second.fold()), folded(t, lines[:60], -1); got != want {
			t.Fatalf("behind event %d:\n%s\nwant\n%s", unseen, got, want)
		}
	}
}

func TestTrailIsAnother(t *testing.T) {
	lines, _ := recordedLines(t)
	altered := append([][]byte{}, lines[:30]...)
	altered[19] = edited(altered[19])
	for name, c := range map[string]struct {
		lines [][]byte
		isAnother,
		isWhole bool
	}{
		"the same":                    {lines[:30], false, true},
		"the last one is gone":        {lines[20:30], false, true},
		"the last one is another":     {altered, true, false},
		"another history":             {rechained(altered), true, false},
		"more is gone":                {lines[22:30], true, false},
		"nothing is there":            {nil, false, false},
		"rolled back":                 {lines[:10], false, false},
		"begun anew, with few events": {rechained(lines[20:30]), false, false},
	} {
		trail := &trail{fold: newFold(0)}
		if err := trail.reading(20).feed(lines[:20], -1); err != nil {
			t.Fatal(err)
		}
		r := trail.reading(uint64(30))
		if err := r.feed(c.lines, -1); errors.Is(err, errBegunAnew) != c.isAnother || !c.isAnother && r.hasAll() != c.isWhole {
			t.Errorf("%s: %v, has all: %t", name, err, r.hasAll())
		}
	}
}
