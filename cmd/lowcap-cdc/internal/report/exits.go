package report

import (
	"strconv"
	"strings"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/trades"
	"lowcap-cdc/schemas"
)

// exitFold follows exits: those that were made, and those that are wanted.
type exitFold struct {
	exits   *Exits
	failed  *Failed
	usd     trades.Sum
	left    trades.Sum // value of what was abandoned
	records map[string]*Exit
	order   []string            // ids of records, the oldest first
	wanted  map[string]*NotMade // by position
	before  map[string]*NotMade // what was wanted of a position until the last change told the next, and ends in it
	ended   map[string]*NotMade // of the last change, by position
	in      string
}

// mostRecords bounds how many exit records wait for their sell, which comes within a minute.
const mostRecords = 1000

func newExitFold(r *Report) exitFold {
	return exitFold{exits: &r.Exits, failed: &r.Failed, records: make(map[string]*Exit), wanted: make(map[string]*NotMade),
		before: make(map[string]*NotMade), ended: make(map[string]*NotMade)}
}

func (f *exitFold) take(e *event, what string) {
	if e.change() != f.in {
		f.in = e.change()
		f.endBefore(e)
		clear(f.ended)
	}
	switch what {
	case "executed", "triggered":
		if e.in {
			f.made(e, what)
		}
	case "pending":
		f.pending(e)
	case "settled":
		f.settled(e)
	case "abandoned":
		f.abandoned(e)
	}
}

// made takes in an exit. Its sell and its record, which may come in either order, are one line.
func (f *exitFold) made(e *event, what string) {
	x := f.records[e.text("first_event_id")]
	if x == nil || what == "executed" && x.Kind != "recorded" {
		x = &Exit{Row: e.row(), At: schemas.Instant(e.Time), Kind: "recorded", Event: e.ID}
		f.exits.Count++
		f.exits.List.add(x)
		f.remember(e.ID, x)
	}
	if what == "triggered" {
		x.Planned = e.number("exit_value_usd")
		return
	}
	x.Kind, x.Reason, x.Price = e.text("kind"), e.text("exit_reason"), e.number("price")
	x.Proceeds, x.Remaining = e.number("proceeds_usd"), e.number("remaining_quantity")
	f.usd.Add(x.Proceeds)
	for _, flag := range e.data.Get("flags").Array() {
		if flag.Str == string(schemas.TokensLeft) {
			x.Left = true
			f.exits.TokensLeft++
		}
	}
}

func (f *exitFold) remember(id string, x *Exit) {
	f.records[id] = x
	f.order = append(f.order, id)
	if len(f.order) > mostRecords {
		delete(f.records, f.order[0])
		f.order = f.order[1:]
	}
}

func (f *exitFold) pending(e *event) {
	row := e.row()
	n, since := f.wanted[row.Position], e.instant("wanted_since")
	if n != nil && n.Since != since {
		f.before[row.Position], n = n, nil
	}
	if n == nil {
		n = &NotMade{Row: row, Since: since, Told: schemas.Instant(e.Time), Flag: e.text("flag"),
			Reason: e.text("exit_reason"), Outcome: "pending", Event: e.ID}
		f.wanted[row.Position] = n
	}
	n.Held, n.Value, n.Reminders = e.number("held_quantity"), e.number("value_usd"), int(e.data.Get("reminder").Int())
}

func (f *exitFold) settled(e *event) {
	id, since := e.text("entity.id"), e.instant("wanted_since")
	for _, told := range []map[string]*NotMade{f.wanted, f.before} {
		if n := told[id]; n != nil && n.Since == since {
			delete(told, id)
			f.over(n, e, e.text("outcome"))
			return
		}
	}
	if e.in && f.ended[id] == nil { // its page is gone
		f.over(&NotMade{Row: e.row(), Since: since, Held: e.number("held_quantity"), Event: e.ID}, e, e.text("outcome"))
	}
}

// endBefore ends what was wanted before something else was, and of whose end no event tells.
func (f *exitFold) endBefore(e *event) {
	for _, n := range sortedBy(f.before, func(n *NotMade) string { return n.Position }) {
		f.over(n, e, "unknown")
	}
	clear(f.before)
}

// over ends an exit that was wanted.
func (f *exitFold) over(n *NotMade, e *event, outcome string) {
	n.Outcome, n.Ended, n.Seconds = outcome, schemas.Instant(e.Time), secondsBetween(n.Since, e.at)
	f.ended[n.Position] = n
	if e.in {
		f.list(n)
	}
}

// abandoned takes in a trade that ended while tokens were held. When its exit was pending, both are one line.
func (f *exitFold) abandoned(e *event) {
	id := e.text("entity.id")
	n := f.ended[id]
	if n == nil {
		if n = f.wanted[id]; n == nil {
			n = &NotMade{Row: e.row(), Event: e.ID}
		}
		delete(f.wanted, id)
		f.over(n, e, "abandoned")
	} else if e.in {
		f.failed.ByOutcome[n.Outcome]--
		if f.failed.ByOutcome[n.Outcome] == 0 {
			delete(f.failed.ByOutcome, n.Outcome)
		}
		f.failed.ByOutcome["abandoned"]++
	}
	n.Outcome, n.Held, n.Value = "abandoned", e.number("quantity"), e.number("value_usd")
	if e.in {
		f.left.Add(n.Value)
	}
}

// forget ends what was wanted when the history begins anew: what became of it, no event tells.
func (f *exitFold) forget(e *event) {
	for _, n := range sortedBy(f.wanted, func(n *NotMade) string { return string(n.Told) + n.Position }) {
		f.over(n, e, "unknown")
	}
	clear(f.wanted)
	f.endBefore(e)
}

func (f *exitFold) list(n *NotMade) {
	f.failed.Count++
	countBy(f.failed.ByOutcome, n.Outcome)
	f.failed.List.add(n)
}

// end lists what is still wanted.
func (f *exitFold) end(at time.Time) {
	f.endBefore(&event{Attributes: &schemas.Attributes{}, at: at, in: true})
	for _, n := range sortedBy(f.wanted, func(n *NotMade) string { return string(n.Told) + n.Position }) {
		n.Seconds = secondsBetween(n.Since, at)
		f.failed.Pending++
		f.list(n)
	}
	f.exits.ProceedsUSD, f.exits.Unknown = f.usd.Number(), f.usd.Unknown()
	f.failed.AbandonedUSD = f.left.Number()
}

// secondsBetween returns an exact number of seconds, null when the beginning is unknown, or lies behind the end.
func secondsBetween(from schemas.Instant, to time.Time) schemas.Number {
	begin, err := time.Parse(time.RFC3339Nano, string(from))
	if err != nil || to.IsZero() || to.Before(begin) {
		return ""
	}
	return microseconds(to.Sub(begin).Microseconds())
}

// microseconds returns as many as seconds.
func microseconds(n int64) schemas.Number {
	text := strconv.FormatInt(n/1e6, 10)
	if rest := n % 1e6; rest != 0 {
		text += "." + strings.TrimRight(strconv.FormatInt(rest+1e6, 10)[1:], "0")
	}
	return schemas.Number(text)
}
