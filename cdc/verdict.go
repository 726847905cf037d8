package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// verdict says what became of a key in one change.
type verdict uint8

const (
	same       verdict = iota
	recorded           // a timestamp newer than any reported for this key
	amended            // the same timestamp, other fields
	becameExit         // amended so that what was a trim is an emergency exit's sell
	restored           // a value reported before came back
	reverted           // the key vanished or went back
	broken             // nothing of the new value can be read
	poolMoved          // the pool made a step of its lifecycle, or one that fits none
)

// judged is a key in one change: its value before and after, and the verdict.
type judged struct {
	key       key
	before    value // as last well-formed
	after     value
	verdict   verdict
	unseen    bool // reverted to a value never reported
	untouched bool // its bytes are as they were, so nothing was read
	leftover  bool // of a buyback: the same words as one before
	why       *malformed
	parts     []malformed // fields that cannot be read, and could or were others before
}

// marks are the timestamps that those of later values of a key are measured against.
type marks struct {
	newest decode.Micros // the greatest one reported that was not in the future
	dated  bool          // newest holds one
	ahead  decode.Micros // the last one reported that was; 0 when there was none
}

// judgeTimed judges a key with a timestamp of its own.
func judgeTimed(j *judged, m *memory, at marks) {
	known := m.find(j.after.sum())
	switch {
	case j.before.same(&j.after):
		j.verdict = same
	case j.after.empty:
		j.verdict = reverted
	case !j.before.empty && j.after.at == j.before.at && known == nil:
		j.verdict = amended
	case !at.dated || j.after.at > at.newest:
		j.verdict = ofNewer(j, known, at)
	case !j.before.empty && j.after.at < j.before.at:
		j.verdict, j.unseen = reverted, known == nil
	case known != nil:
		j.verdict = restored
	case j.after.at == at.newest:
		j.verdict = amended
	default:
		j.verdict, j.unseen = reverted, true
	}
	if j.verdict == amended && j.key == lastTrim && j.after.isExit() && !m.wasExit(j) {
		j.verdict = becameExit
	}
}

// ofNewer returns the verdict of a value that is newer than all that count. It was reported before only when its
// timestamp was in the future then.
func ofNewer(j *judged, known *seen, at marks) verdict {
	switch {
	case known != nil:
		return restored
	case at.ahead != 0 && j.after.at == at.ahead:
		return amended
	}
	return recorded
}

// wasExit reports whether the sell that was amended had been reported as an emergency exit.
func (m *memory) wasExit(j *judged) bool {
	if !j.before.empty && j.before.at == j.after.at {
		return j.before.isExit()
	}
	return m.exit
}

// judgeUndated judges the buyback and the previous state, which have no timestamp: a value seen before is one that came
// back.
func judgeUndated(j *judged, m *memory) {
	known := m.find(j.after.sum())
	switch {
	case j.before.same(&j.after):
		j.verdict = same
	case j.after.empty:
		j.verdict = reverted
	case known == nil:
		j.verdict = recorded
	case j.before.empty || known.revertedFrom:
		j.verdict = restored
	default:
		j.verdict = reverted
	}
}

// judgeBuyback judges the buyback of a change that ends a trade: it is one of that trade's, whatever it says. The bot may
// have left the words of an earlier one there.
func (h *history) judgeBuyback() {
	j := &h.keys[lotusBuyback]
	if h.ended == nil || j.verdict == broken {
		return
	}
	m := &h.image.keys[lotusBuyback]
	if j.verdict == same {
		known := knownKeys(h.was.history)
		j.before, _ = h.values.read(lotusBuyback, known[lotusBuyback])
		j.after = j.before
	}
	if j.after.empty || j.after.raw == nil {
		return
	}
	j.leftover = j.before.same(&j.after) || m.find(j.after.sum()) != nil
	j.verdict = recorded
}

// exitKind tells from a sell's signal whether it was made in an emergency, and of which kind.
func exitKind(signal jsonb.Text) (kind string, ok bool) {
	if !signal.IsString() {
		return "", false
	}
	switch string(signal.Unquoted()) {
	case "emergency_exit":
		return "ema333_break", true
	case "exit_position":
		return "structural", true
	}
	return "", false
}

// isExit reports whether a value belongs to the emergency exits: what a sell was reported as, its reversal and its
// return are reported as too, so that who was woken by the one sees the other on the same topic.
func (v *value) isExit() bool {
	if v.key == lastTrim {
		_, ok := exitKind(v.known("signal"))
		return ok
	}
	return v.key == lastExit || v.key == lastExitGuard
}
