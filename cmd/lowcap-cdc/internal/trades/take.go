package trades

import (
	"strings"

	"lowcap-cdc/schemas"
)

// take moves on to an event of the trade's time.
func (t *Trade) take(e *event) {
	if !t.ended {
		t.describe(&e.of)
	}
	if step, isPool := strings.CutPrefix(e.name, "trim_pool."); isPool {
		t.flow.Take(step, e.data)
		return
	}
	switch e.name {
	case "position.created", "position.baseline":
		t.standing(e)
	case "position.deleted":
		t.holds(e.number("total_quantity"))
	case "execution.buy_recorded":
		t.buy(e.text("slot"))
		t.holds("")
	case "execution.trim_recorded":
		t.Trims++
		t.out.Add(e.number("proceeds_usd"))
		t.holds(e.number("remaining_quantity"))
	case "execution.unrecorded":
		t.unrecorded(e)
		t.holds(e.number("held_quantity"))
	default:
		t.exitEvent(e)
	}
}

// holds notes how many tokens are held. What is told behind a trade's end is no more about its tokens.
func (t *Trade) holds(tokens schemas.Number) {
	if !t.ended {
		t.TokensLeft = tokens
	}
}

// standing takes in how a row stood when it was first seen. What was done before in a trade, no event tells but in its sums.
func (t *Trade) standing(e *event) {
	t.holds(e.number("total_quantity"))
	if t.begins != e.change() {
		return // the row was read again
	}
	t.base = e.number("total_extracted_usd")
	if t.seen = e.name == "position.created"; !t.seen {
		t.OpenedAt = ""
	}
}

// buy counts a buy; the slot of one that was not recorded is unknown.
func (t *Trade) buy(slot string) {
	if slot != "" {
		if t.Buys == 0 && t.seen {
			t.EntrySlot = &slot
		}
		t.slots[slot] = true
	}
	t.Buys++
}

// unrecorded counts a fill that was told by the books alone. A sell that left nothing is the exit, whatever it was for.
func (t *Trade) unrecorded(e *event) {
	if e.text("direction") == "buy" {
		t.buy("")
		return
	}
	t.out.Add(e.number("usd"))
	if e.Severity == schemas.Page {
		t.done = "emptied"
	} else {
		t.Trims++
	}
}

func (t *Trade) exitEvent(e *event) {
	switch e.name {
	case "emergency_exit.executed":
		t.executed(e)
	case "emergency_exit.triggered":
		if t.done == "" {
			t.done = "triggered"
		}
	case "emergency_exit.pending":
		t.pending, t.wanted = true, e.text("wanted_since")
		t.holds(e.number("held_quantity"))
	case "emergency_exit.settled":
		outcome := e.text("outcome")
		if outcome == "executed" || outcome == "emptied" {
			t.done = outcome
		}
		if outcome != "closed" && e.text("wanted_since") == t.wanted { // the next one may be wanted already
			t.pending = false
		}
	case "emergency_exit.abandoned":
		t.abandoned = true
	}
}

// executed counts an exit. One that was amended from a trim was counted as that, with what it brought.
func (t *Trade) executed(e *event) {
	t.done = "executed"
	proceeds := e.number("proceeds_usd")
	amended := e.has(string(schemas.Amended))
	if amended && t.Trims > 0 {
		t.Trims--
	}
	if !amended || proceeds != "" {
		t.out.Add(proceeds)
	}
	t.holds(e.number("remaining_quantity"))
}
