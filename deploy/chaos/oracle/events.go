package oracle

import (
	"encoding/json"
	"slices"
	"strings"
)

// Event is what the oracle reads of an event.
type Event struct {
	Type, Subject, Sequence string
	Data                    struct {
		Before, After json.RawMessage
		Key, Slot     string
		Why           string // of an event about the stream or a table
		Path          string // of what is malformed
		Origin        struct{ Op string }
		SequenceBase  uint64 `json:"sequence_base"` // of stream.adopted
	}
}

// Told collects the steps that the events tell, in the order of their sequence.
type Told struct {
	Steps   Steps
	change  string // the row change that pending belongs to
	last    string // sequence
	entity  string
	pending []string
}

// NewTold returns an empty collection.
func NewTold() *Told { return &Told{Steps: make(Steps)} }

// changeDigits is how much of a sequence names the row change; the rest counts its events.
const changeDigits = 25

// Add takes an event. Two events of one change may tell the same step, such as a recovery that started with a buy.
func (t *Told) Add(e *Event) {
	if change := e.Sequence[:min(changeDigits, len(e.Sequence))]; change != t.change || e.Subject != t.entity { // a TRUNCATE is one change of many rows
		t.Flush()
		t.change, t.entity = change, e.Subject
	}
	s, again := e.step(), e.Sequence == t.last
	t.last = e.Sequence
	if s != "" && (again || !slices.Contains(t.pending, s)) {
		t.pending = append(t.pending, s)
	}
}

// Flush takes in the last change. Steps is whole behind it.
func (t *Told) Flush() {
	t.Steps.add(t.entity, t.pending)
	t.pending = nil
}

// step returns what an event tells, empty when that is no step.
func (e *Event) step() string {
	name := strings.TrimSuffix(strings.TrimPrefix(e.Type, "lowcap."), ".v1")
	if strings.HasPrefix(name, "table.") {
		return ""
	}
	switch name {
	case "position.created":
		return "row: new"
	case "position.deleted", "entry_block.deleted":
		return "row: gone"
	case "position.baseline", "entry_block.baseline", "history.malformed":
		return ""
	case "emergency_exit.pending", "emergency_exit.settled", "emergency_exit.abandoned", "execution.unrecorded", "entry_block.not_set":
		return "" // what did not happen changes nothing
	}
	if strings.HasPrefix(name, "entry_block.") {
		return strings.Join(flagSteps(flagsOf(e.Data.Before), flagsOf(e.Data.After)), "")
	}
	key := e.key(name)
	if key == exitGuard {
		return ""
	}
	before := parse(e.Data.Before)
	return step(key, before, effective(key, parse(e.Data.After), before))
}

// key names the structure that an event is about.
func (e *Event) key(name string) string {
	switch name {
	case "execution.buy_recorded":
		if e.Data.Slot == "reclaim" {
			return "last_reclaim_buy"
		}
		return "last_" + e.Data.Slot + "_buy"
	case "execution.trim_recorded", "emergency_exit.executed":
		return "last_trim"
	case "emergency_exit.triggered", "emergency_exit.rebuy_used":
		return "last_emergency_exit"
	case "emergency_exit.guard_stamped":
		return exitGuard
	case "execution.trim_signaled":
		return "last_trim_signal"
	case "buyback.recorded":
		return "lotus_buyback"
	case "history.prev_state_changed":
		return "prev_state"
	case "position.status_changed":
		return "status"
	case "trade.opened", "trade.closed":
		return "trade"
	}
	if strings.HasPrefix(name, "trim_pool.") {
		return "trim_pool"
	}
	return e.Data.Key
}

func flagsOf(block json.RawMessage) flags {
	var b struct {
		S1 *bool `json:"blocked_s1"`
		S2 *bool `json:"blocked_s2"`
	}
	if json.Unmarshal(block, &b) != nil {
		return flags{}
	}
	return flags{b.S1 != nil && *b.S1, b.S2 != nil && *b.S2}
}
