package readable

import (
	"cmp"
	"slices"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// Waiting is a position of which something did not happen: an exit that is wanted is not made, books have no record, tokens are
// held in S0, or a loss set no block.
type Waiting struct {
	cdc.KnownPosition

	Severity schemas.Severity `json:"severity"` // of what is worst: that of the event that told it, or will
	Since    schemas.Instant  `json:"since"`    // the oldest of it; empty when only tokens are held in S0
}

// Waiting returns the positions of which something did not happen: those first that wake somebody, and of these the oldest.
func (b *Board) Waiting() []Waiting {
	list := make([]Waiting, 0, len(b.waits))
	for _, waits := range b.waits {
		position := *waits
		if l := position.NotSet; l != nil && b.failed[l.BlockKey] >= l.FirstBuy {
			position.NotSet = nil // the block came late
		}
		if w, ok := waitingOf(position); ok {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(x, y Waiting) int {
		return cmp.Or(-cmp.Compare(urgency(x.Severity), urgency(y.Severity)), compareSince(x.Since, y.Since),
			cmp.Compare(TokenOf(&x.Position), TokenOf(&y.Position)), cmp.Compare(x.Position.ID, y.Position.ID))
	})
	return list
}

// waitingOf says how urgent it is, and since when. It returns false when nothing waits.
func waitingOf(p cdc.KnownPosition) (w Waiting, waits bool) {
	w = Waiting{KnownPosition: p, Severity: schemas.Warn}
	note := func(since schemas.Instant) {
		if w.Since == "" || since < w.Since {
			w.Since = since
		}
	}
	if p.Exit != nil {
		note(p.Exit.Since)
		if p.Exit.Told > 0 {
			w.Severity = schemas.Page
		}
	}
	for _, g := range p.Unrecorded {
		note(g.Since)
		if g.Direction == "sell" && !p.Held {
			w.Severity = schemas.Page
		}
	}
	if p.NotSet != nil {
		note(p.NotSet.Since)
	}
	return w, w.Since != "" || p.Stranded
}

func urgency(s schemas.Severity) int {
	if s == schemas.Page {
		return 1
	}
	return 0
}

// compareSince sorts the oldest first, and what is not known last.
func compareSince(x, y schemas.Instant) int {
	if (x == "") != (y == "") {
		return cmp.Compare(y, x)
	}
	return cmp.Compare(x, y)
}
