package cdc

import (
	"fmt"

	"lowcap-cdc/decode"
)

// An era is the part of a history that came from one server under one name. The first has base 0 and is not written down;
// each adoption begins another. Places in the WAL of two servers cannot be compared, so a place of the history is the
// server's plus the base of its era, and those rise from one era to the next.

// Era is a part of a history.
type Era struct {
	Begins decode.LSN // what the sequence of its first event begins with
	Base   decode.LSN // what its sequences begin with is the commit LSN plus this
	System string     // what its ids begin with
}

// baseStep is what bases are a multiple of: the digits of a sequence that are the same as those of its LSN stay readable.
const baseStep = 1 << 32

// AllEras returns the eras of the history, the first one included, oldest first.
func (c *Checkpoint) AllEras() []Era {
	if len(c.Eras) == 0 {
		return []Era{{System: c.SystemID}}
	}
	return c.Eras
}

// Era returns the era that the history is in.
func (c *Checkpoint) Era() Era { all := c.AllEras(); return all[len(all)-1] }

// PlaceOf returns the place of the history that an LSN of the present server stands for. One from before the history came to that server
// stands for none: the error says so.
func (c *Checkpoint) PlaceOf(lsn decode.LSN) (at decode.LSN, err error) {
	era := c.Era()
	if at = lsn + era.Base; at < lsn || at < era.Begins {
		err = fmt.Errorf("%s is no place of the server that the history comes from now: it came there at %s", lsn, era.Begins-era.Base)
	}
	return at, err
}

// eraOf returns the era that a place of the history is in.
func eraOf(eras []Era, at decode.LSN) Era {
	for i := len(eras) - 1; i > 0; i-- {
		if at >= eras[i].Begins {
			return eras[i]
		}
	}
	return eras[0]
}

// reached returns the highest place of the history that an event can have: that of a transaction that was cut lies behind the
// checkpoint.
func (c *Checkpoint) reached() decode.LSN { return c.Era().Base + max(c.LSN, c.Cut.CommitLSN) }

// beginEra begins the era of another server, whose first event is at lsn. The base stays where the places rise by themselves.
func (c *Checkpoint) beginEra(system string, lsn decode.LSN) Era {
	eras := c.AllEras()
	base, above := c.Era().Base, c.reached()+1
	if lsn+base < above {
		base = (above - lsn + baseStep - 1) / baseStep * baseStep
	}
	era := Era{Begins: lsn + base, Base: base, System: system}
	for _, before := range eras {
		if systemOf(before.System) == system {
			// The same places in the WAL may come a second time.
			era.System = fmt.Sprintf("%s.%d", system, len(eras))
		}
	}
	c.Eras = append(eras[:len(eras):len(eras)], era)
	return era
}

// systemOf returns the system that the ids of an era name.
func systemOf(prefix string) string {
	for i := range prefix {
		if prefix[i] == '.' {
			return prefix[:i]
		}
	}
	return prefix
}
