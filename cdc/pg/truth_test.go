package pg

import (
	"testing"

	"lowcap-cdc/decode"
)

// TestSaw: a transaction whose commit is in the WAL, but which nobody sees yet, is not in the snapshot.
func TestSaw(t *testing.T) {
	truth := &Truth{before: 1000, place: 1100, next: 500, running: map[uint32]bool{497: true}}
	for name, c := range map[string]struct {
		xid    uint32
		commit uint64
		saw    bool
	}{
		"long before":                           {400, 10, true},
		"just before":                           {499, 1050, true},
		"behind the place":                      {499, 1100, false},
		"running, its commit is in the WAL":     {497, 900, false},
		"the newest, its commit is in the WAL":  {500, 990, false},
		"begun since":                           {501, 1050, false},
		"of a snapshot, which has no number":    {0, 900, true},
		"before the numbers went round":         {4000000000, 10, true},
		"half a round ago":                      {500 + 1<<31, 10, true},
		"ahead by less than numbers can be old": {500 + ahead, 10, true},
	} {
		if saw := truth.Saw(c.xid, decode.LSN(c.commit)); saw != c.saw {
			t.Errorf("%s: %v", name, saw)
		}
	}
}
