package report

import (
	"strings"

	"lowcap-cdc/cmd/lowcap-cdc/internal/trades"
	"lowcap-cdc/schemas"
)

// staleFold follows the writes that take back what was recorded, and what they bring back.
type staleFold struct {
	stale           *Stale
	taken, returned trades.Sum
	sells           map[string]*sell // the last one of each position, while it may be reverted
}

// sell is the last one of a position: a trim of the period, and whether it was reverted.
type sell struct{ trim, reverted bool }

func newStaleFold(s *Stale) staleFold { return staleFold{stale: s, sells: make(map[string]*sell)} }

func (f *staleFold) take(e *event) {
	f.sell(e)
	if !e.in {
		return
	}
	family, what, _ := strings.Cut(e.name, ".")
	if what == "reverted" {
		f.reverted(e)
	}
	if family == "trim_pool" && (what == "reverted" || what == "restored") {
		f.money(trades.DeltaOf(e.data))
	}
}

// money adds what a pool lost, or got back.
func (f *staleFold) money(delta schemas.Number) {
	switch usd, ok := delta.Rat(); {
	case ok && usd.Sign() < 0:
		f.taken.Add(delta[1:])
	case ok && usd.Sign() > 0:
		f.returned.Add(delta)
	}
}

func (f *staleFold) end() {
	f.stale.TakenUSD, f.stale.ReturnedUSD = f.taken.Number(), f.returned.Number()
}

func (f *staleFold) reverted(e *event) {
	f.stale.Reverts++
	countBy(f.stale.ByKey, e.text("key"))
	switch e.text("cause") {
	case "same_tick":
		f.stale.SameTick++
		return
	case "later_write":
		f.stale.LaterWrite++
	default:
		f.stale.OfOther++
	}
	delta := schemas.Number("")
	if strings.HasPrefix(e.name, "trim_pool.") {
		delta = trades.DeltaOf(e.data)
	}
	f.stale.List.add(&Reverted{Row: e.row(), At: schemas.Instant(e.Time), What: e.name, Key: e.text("key"),
		Alive: e.number("alive_for_seconds"), Delta: delta, Event: e.ID})
}

// sell follows which trims of the period were reverted, each counted once.
func (f *staleFold) sell(e *event) {
	switch e.name {
	case "execution.trim_recorded", "emergency_exit.executed":
		trim := e.in && e.name == "execution.trim_recorded"
		if trim {
			f.stale.Trims++
		}
		f.sells[e.Subject] = &sell{trim: trim}
	case "execution.reverted":
		of := f.sells[e.Subject]
		if of != nil && of.trim && !of.reverted && e.text("key") == "last_trim" {
			of.reverted = true
			f.stale.TrimsReverted++
		}
	case "position.deleted":
		delete(f.sells, e.Subject)
	}
}
