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
		if due := p.handleProgress(&decode.Progress{LSN: 0x200, Time: benchCommitTime + c.later}); due != c.want {
			t.Errorf("%s: a commit is due: %v", name, due)
		}
	}
}

// TestIdleStreamIsSeenToLive: a database in which nothing happens at all still gives a checkpoint every 20 s.
func TestIdleStreamIsSeenToLive(t *testing.T) {
	p := &Pipeline{state: NewState(), sealed: Checkpoint{LSN: 0x100, Time: benchCommitTime}}
	for later, want := range map[decode.Micros]bool{1: false, idleCommit: false, aliveCommit: true} {
		p.state.Checkpoint = p.sealed
		if due := p.handleProgress(&decode.Progress{LSN: 0x100, Time: benchCommitTime + later}); due != want {
			t.Errorf("after %d s at the same place: a commit is due: %v", later/1000000, due)
		}
	}
}
