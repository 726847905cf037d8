package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
)

// verdict says what became of a key in one change.
type verdict uint8

const (
	same      verdict = iota
	recorded          // a timestamp newer than any reported for this key
	amended           // the same timestamp, other fields
	restored          // a value reported before came back
	reverted          // the key vanished or went back
	broken            // the new value cannot be read
	poolMoved         // the pool made a step of its lifecycle, or one that fits none
)

// judged is a key in one change: its value before and after, and the verdict.
type judged struct {
	key     key
	before  value // as last well-formed
	after   value
	verdict verdict
	unseen  bool // reverted to a value never reported
	why     *malformed
}

// judgeTimed judges a key with a timestamp of its own.
func judgeTimed(j *judged, m *memory) {
	known := m.find(j.after.sum())
	switch {
	case j.before.same(&j.after):
		j.verdict = same
	case j.after.empty:
		j.verdict = reverted
	case !m.dated || j.after.at > m.newest:
		j.verdict = recorded
	case !j.before.empty && j.after.at < j.before.at:
		j.verdict, j.unseen = reverted, known == nil
	case known != nil:
		j.verdict = restored
	case !j.before.empty && j.after.at == j.before.at, j.after.at == m.newest:
		j.verdict = amended
	default:
		j.verdict, j.unseen = reverted, true
	}
}

// judgeUndated judges the buyback, which has no timestamp: a value seen before is one that came back.
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

// isExit reports whether a value of a key belongs to the emergency exits: what a sell was reported as, its reversal
// and its return are reported as too, so that who was woken by the one sees the other on the same topic.
func (k key) isExit(v *value) bool {
	if k == lastTrim {
		_, ok := exitKind(v.get("signal"))
		return ok
	}
	return k == lastExit || k == lastExitGuard
}
