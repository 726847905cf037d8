package cdc

import (
	"slices"

	"lowcap-cdc/decode"
)

// agenda knows which positions wait for time to pass, so that not every image must be looked at when a transaction commits.
// It follows from the images.
type agenda struct {
	next decode.Micros            // no earlier is anything due; 0 when nothing waits
	due  map[string]decode.Micros // when something is due, by the position's id
}

// set notes when something of a position is due, 0 when nothing is.
func (a *agenda) set(id string, at decode.Micros) {
	if at == 0 {
		if delete(a.due, id); len(a.due) == 0 {
			a.next = 0
		}
		return
	}
	if a.due == nil {
		a.due = make(map[string]decode.Micros)
	}
	if a.due[id] = at; a.next == 0 || at < a.next {
		a.next = at
	}
}

// until returns the positions of which something is due at a time, in primary-key order.
func (a *agenda) until(now decode.Micros) []string {
	if a.next == 0 || a.next > now {
		return nil
	}
	var ids []string
	a.next = 0
	for id, at := range a.due {
		if at <= now {
			ids = append(ids, id)
		}
		if a.next == 0 || at < a.next {
			a.next = at
		}
	}
	slices.Sort(ids)
	return ids
}
