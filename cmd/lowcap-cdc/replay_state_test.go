package main

import (
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// TestCopyWithoutAHole: when retention is faster than the next attempt of a move, that is said; a copy that begins anew may begin
// late, and one of events alone may have holes.
func TestCopyWithoutAHole(t *testing.T) {
	for name, c := range map[string]struct {
		done    string // what an earlier attempt has remembered
		history *moving
		numbers []uint64
		refused bool
	}{
		"goes on":                   {"00000000000001000000000000000000 5:00ff", &moving{}, []uint64{6, 7}, false},
		"a hole where it goes on":   {"00000000000001000000000000000000 5:00ff", &moving{}, []uint64{7}, true},
		"a hole behind that":        {"00000000000001000000000000000000 5:00ff", &moving{}, []uint64{6, 8}, true},
		"begins late":               {"", &moving{}, []uint64{7, 9}, false},
		"events alone":              {"00000000000001000000000000000000 5:00ff", nil, []uint64{9}, false},
		"begun by an older version": {"00000000000001000000000000000000", &moving{}, []uint64{9}, false},
	} {
		r := &replay{history: c.history}
		if err := r.load(cdc.CopyKey, []byte(c.done)); err != nil {
			t.Fatal(err)
		}
		var err error
		for _, number := range c.numbers {
			if err == nil {
				err = r.history.joins(&r.done.number, &schemas.Attributes{Number: number})
			}
		}
		if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "not copied before") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
