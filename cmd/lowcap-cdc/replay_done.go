package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
)

// done is what the other sink holds of a copy already: events from the first to the last one, as far as they are of this history.
type done struct {
	first  string // sequence of the first event; empty when an older version began the copy
	last   string // sequence of the last one; empty before there is any
	short  string // short form of the last one, by which it is known again; empty when it is not known
	number uint64 // its number; 0 when it is not known
	source string // its CloudEvents source; empty when an older version wrote it

	read    string // sequence of the event that came last
	earlier bool   // an event that stands before the last one has come
	met     bool   // the last one has come, or what stands behind it
	hole    string // the numbers that neither sink has, between what was copied before and what is there; empty for none
}

// parseDone reads what String prints. Older versions wrote less.
func parseDone(text string) (d done) {
	fields := append(strings.SplitN(text, " ", 4), "", "", "")
	d.last, d.short, d.first, d.source = fields[0], fields[1], fields[2], fields[3]
	number, _, _ := strings.Cut(d.short, ":")
	d.number, _ = strconv.ParseUint(number, 10, 64)
	return d
}

// String prints sequence and short form of the last event, the sequence of the first one, and the source.
func (d *done) String() string {
	return strings.TrimSpace(d.last + " " + d.short + " " + d.first + " " + d.source)
}

// begin forgets what an earlier reading has seen.
func (d *done) begin() { d.read, d.earlier, d.met = "", false, d.last == "" }

// pass holds the events of --sink, as they come, against what is copied: the last one must be among them, or what comes must go on from it.
func (d *done) pass(a *schemas.Attributes, event []byte) error {
	if a.Sequence <= d.read { // and by its sequence it would count as copied
		return settings.Repair(fmt.Errorf("event %s of %s stands behind one with a higher sequence, as where another server's history was begun in the same "+
			"place; replay copies one history", readable.Printable(a.ID), readable.Printable(a.Source)))
	}
	d.read = a.Sequence
	switch {
	case d.met:
	case a.Sequence < d.last:
		d.earlier = true
	case a.Sequence == d.last:
		if d.met = true; d.short != "" && d.short != shortOf(a, event) {
			return fmt.Errorf("%w: event %s is not the one that was copied before", audit.ErrAltered, readable.Printable(a.ID))
		}
	default:
		d.met = true
		return d.join(a)
	}
	return nil
}

// join holds an event against the last one that was copied, which is not in --sink any more.
func (d *done) join(a *schemas.Attributes) error {
	_, chain, _ := strings.Cut(d.short, ":")
	switch {
	case d.number == 0 || a.Number == 0:
		return nil
	case a.Number == d.number+1 && a.Chain == chain:
		return nil
	case a.Number == d.number+1, d.source != "" && a.Source != d.source:
		return d.ofAnother()
	case a.Number > d.number:
		d.hole = audit.Span{From: d.number + 1, To: a.Number - 1}.String()
	case a.Number > 1: // and at 1 the numbers begin anew
		return d.ofAnother()
	}
	return nil
}

// end refuses a copy that goes further than what it is made of.
func (d *done) end() error {
	if d.earlier && !d.met {
		return d.ofAnother()
	}
	return nil
}

func (d *done) ofAnother() error {
	return settings.Usage(fmt.Errorf("--into ends with event %s of %s, from which --sink does not go on: it holds another history, or --sink was rolled back; "+
		"nothing was written; name another --into", cmp.Or(d.short, "unknown"), readable.Printable(cmp.Or(d.source, "unknown"))))
}

// isThere reports whether an event that is to be copied has been copied, and refuses one that would have to stand before the others.
func (d *done) isThere(a *schemas.Attributes) (bool, error) {
	if d.first != "" && a.Sequence < d.first {
		return false, settings.Usage(fmt.Errorf("--into begins behind event %s of %s, and nothing can be put before what is there; name another --into; "+
			"or, where it is a copy of this history, begin with --from, at an LSN, where that copy began", readable.Printable(a.ID), readable.Printable(a.Source)))
	}
	return a.Sequence <= d.last, nil
}

// reach notes that events were copied.
func (d *done) reach(first *schemas.Attributes, last *cdc.Event) {
	if d.last == "" {
		d.first = first.Sequence
	}
	d.last, d.short, d.source = last.Sequence, shortOf(&last.Attributes, last.Value), last.Source
}

// shortOf names an event and everything before it.
func shortOf(a *schemas.Attributes, event []byte) string {
	var at schemas.Chain
	at.Add(a.Number, event)
	return seal.Short(at.Number, at.Hash)
}
