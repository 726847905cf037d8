package cdc

import (
	"testing"

	"lowcap-cdc/decode"
)

// TestClockSetBack: the database's clock may be set back; an idle publication's slot moves all the same.
func TestClockSetBack(t *testing.T) {
	p := &Pipeline{state: NewState(), sealed: Checkpoint{LSN: 0x100, Time: benchCommitTime}}
	for name, c := range map[string]struct {
		later decode.Micros
		want  bool
	}{"a moment later": {1, false}, "long after": {idleCommit, true}, "before": {-3600 * 1000000, true}} {
		p.state.Checkpoint = p.sealed
		if due := p.takeProgress(&decode.Progress{LSN: 0x200, Time: benchCommitTime + c.later}); due != c.want {
			t.Errorf("%s: a commit is due: %v", name, due)
		}
	}
}
