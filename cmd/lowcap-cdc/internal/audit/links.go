package audit

import (
	"context"
	"errors"
	"fmt"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

// ErrMissing is an ErrAltered: a number is not there. A broker may show it a moment later, so read again before you say it (Reread).
var ErrMissing = fmt.Errorf("%w", ErrAltered)

// Reread calls read, and again after a pause while its error is ErrMissing.
func Reread(ctx context.Context, read func() error) error {
	for wait := rereadAfter; ; wait *= 2 {
		err := read()
		if !errors.Is(err, ErrMissing) || wait > longestReread {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Links follows the numbers and hashes of all sources, for who copies events.
type Links struct {
	removes bool          // numbers may be missing: the sink removes events, or only a part is read
	late    bool          // a number may come later: the sink shows a commit in one topic before it does in another
	head    schemas.Chain // the last event that the checkpoint knew before the events were read
	origin  string        // the source of it
	sources map[string]*chainCheck
	doubt   error // an event is not the one that the checkpoint knows; nothing behind it belongs to what is read
}

// NewLinks returns the check of what a sink's reader hands out from now on. part says that only a part is read. Without a readable
// checkpoint the events are held against each other alone: they can be saved from beside a damaged state. before, when not nil, is what
// has followed an earlier reading.
func NewLinks(ctx context.Context, reader sink.Reader, part bool, before *Links) (*Links, error) {
	known, err := readCheckpoint(ctx, reader)
	if err != nil && !errors.Is(err, sink.ErrCorrupt) {
		return nil, err
	}
	kept, err := reader.Kept(ctx)
	if err != nil {
		return nil, err
	}
	_, files := reader.(*file.Sink)
	l := &Links{removes: part || removes(kept), late: !files, sources: make(map[string]*chainCheck)}
	if known.Events.Number > 0 {
		l.head, l.origin = known.Events, known.Source()
		check := l.source(l.origin)
		if before != nil {
			check.since = before.source(l.origin).metHead
		}
	}
	return l, nil
}

// Follow moves on to the next event. left says that it does not belong to what is read: it was committed meanwhile, and the one before
// it is not there yet. The error says what does not fit the one before it, and is ErrAltered.
func (l *Links) Follow(a *schemas.Attributes, event []byte) (left bool, err error) {
	check := l.source(a.Source)
	if l.doubt != nil {
		check.meet(a, event)
		return true, nil
	}
	if from := l.sources[adoptedFrom(a, event)]; from != nil {
		check.at = from.at
	}
	number, _ := check.at.Next()
	finding := check.take(a, event, l.removes)
	if finding == "" {
		return check.Moving, nil
	}
	err = fmt.Errorf("%w: event %s %s", l.altered(a.Number > number), readable.Printable(a.ID), finding)
	if check.unlike == a.Sequence { // or the numbers begin anew behind it: the end of the reading tells
		l.doubt = err
		return true, nil
	}
	return false, err
}

// End reports events that the checkpoint knows and that did not come. The error is ErrAltered; ErrMissing where another reading, with
// what this one has seen, may tell more.
func (l *Links) End() error {
	if l.origin == "" {
		return nil
	}
	if l.source(l.origin).isOfEarlier() {
		return fmt.Errorf("%w: %s: the numbering began anew", ErrMissing, readable.Printable(l.origin))
	}
	if l.doubt != nil {
		return l.doubt
	}
	if finding := l.source(l.origin).end(l.removes); finding != "" {
		return fmt.Errorf("%w: %s: %s", l.altered(true), readable.Printable(l.origin), finding)
	}
	return nil
}

// LeftOut returns the number that later events wait for, of the source that the checkpoint knows; 0 when nothing was left out, or read.
func (l *Links) LeftOut() uint64 {
	if l == nil {
		return 0
	}
	check := l.sources[l.origin]
	if check == nil || !check.Moving {
		return 0
	}
	number, _ := check.at.Next()
	return number
}

func (l *Links) source(name string) *chainCheck {
	check := l.sources[name]
	if check == nil {
		check = &chainCheck{}
		if name == l.origin {
			check.head = l.head
		}
		l.sources[name] = check
	}
	return check
}

func (l *Links) altered(missing bool) error {
	if missing && l.late {
		return ErrMissing
	}
	return ErrAltered
}
