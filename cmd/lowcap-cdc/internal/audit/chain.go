package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

// chainCheck follows the numbers and hashes of one source's events, in the order of their sequence.
type chainCheck struct {
	First     uint64        `json:"first_number"`
	Last      uint64        `json:"last_number"`
	LastChain string        `json:"last_chain"` // SHA-256 of the last event, which the next one will hold
	Removed   uint64        `json:"removed"`    // numbers that are not there, which retention or compaction explains
	Restarts  int           `json:"restarts"`   // times that the numbering began anew, because the state was gone
	Moving    bool          `json:"moving"`     // later events were committed while it was read, and are left out
	at        schemas.Chain // the last event
	head      schemas.Chain // the last event that the checkpoint knows; zero when this sink has none of the source
	whole     bool          // the checkpoint knows of the source, which was adopted away since: it begins with number 1
}

// take moves on to the next event and returns what is wrong with it, or nothing. removed says that the sink removes
// events, so that a number may be missing here.
func (c *chainCheck) take(a *schemas.Attributes, event []byte, removed bool) (finding string) {
	number, chain := c.at.Next()
	switch {
	case c.Moving:
		return ""
	case a.Number > number && number > c.head.Number && c.head.Number > 0:
		c.Moving = true
		return ""
	case a.Number == 0 && c.at.Number == 0:
		return "" // written under contract v1.0
	case a.Number == 0:
		return fmt.Sprintf("has no number, the one before it is %d", c.at.Number)
	case a.Number == 1 && c.at.Number > 0:
		c.Restarts++
	case a.Number < number:
		return fmt.Sprintf("has number %d, the one before it %d", a.Number, c.at.Number)
	case a.Number > number:
		finding = c.miss(number, a.Number-1, removed)
	case a.Chain != chain:
		finding = fmt.Sprintf(
			"does not hold the hash of event %d before it: that one is not the one that was published, or this one is not",
			c.at.Number,
		)
	}
	if c.First == 0 {
		c.First = a.Number
	}
	c.at.Add(a.Number, event)
	c.Last, c.LastChain = a.Number, c.at.Hash
	if a.Number == c.head.Number && c.at.Hash != c.head.Hash {
		finding = "is not the event that the checkpoint knows as the last one: it was altered"
	}
	return finding
}

// miss notes that numbers are not there. A copy, which has no checkpoint, may begin anywhere.
func (c *chainCheck) miss(from, to uint64, removed bool) (finding string) {
	if removed || (c.First == 0 && c.head.Number == 0 && !c.whole) {
		c.Removed += to - from + 1
		return ""
	}
	return fmt.Sprintf("comes after number %d to %d, which are missing; no retention explains it", from, to)
}

// end returns what is missing after the last event.
func (c *chainCheck) end(removed bool) (finding string) {
	if c.at.Number >= c.head.Number || c.Restarts > 0 {
		return ""
	}
	if removed {
		c.Removed += c.head.Number - c.at.Number
		return ""
	}
	return fmt.Sprintf("the checkpoint knows %d events, the last that is there has number %d", c.head.Number, c.at.Number)
}

func (c *chainCheck) String() string {
	if c.Last == 0 {
		return "no event has a number: all were written under contract v1.0"
	}
	text := fmt.Sprintf("numbers %d to %d, each event holds the hash of the one before", c.First, c.Last)
	if c.Removed > 0 {
		text += fmt.Sprintf("; %d removed, or before a copy began", c.Removed)
	}
	if c.Moving {
		text += "; more was committed meanwhile, and is left out"
	}
	if c.Restarts > 0 {
		text += fmt.Sprintf("; begun anew %d times: the state was gone, or another slot wrote here", c.Restarts)
	}
	return text
}

// ErrMissing is an ErrAltered: a number is not there. A broker may show it a moment later, so read again before you say it (Reread).
var ErrMissing = fmt.Errorf("%w", ErrAltered)

// Reread calls read, and again after a pause while its error is ErrMissing.
func Reread(ctx context.Context, read func() error) error {
	for wait := rereadAfter; ; wait *= 2 {
		err := read()
		if !errors.Is(err, ErrMissing) || wait > longestReread {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Links follows the numbers and hashes of all sources, for who copies events. The zero value stands before the first event.
type Links struct {
	removes bool          // numbers may be missing: the sink removes events, or only a part is read
	late    bool          // a number may come later: the sink shows a commit in one topic before it does in another
	head    schemas.Chain // the last event that the checkpoint knew before the events were read
	origin  string        // the source of it
	sources map[string]*chainCheck
}

// NewLinks returns the check of what a sink's reader hands out from now on. part says that only a part is read. Without a readable
// checkpoint the events are held against each other alone: they can be saved from beside a damaged state.
func NewLinks(ctx context.Context, reader sink.Reader, part bool) (*Links, error) {
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
		l.source(l.origin)
	}
	return l, nil
}

// Follow moves on to the next event. left says that it does not belong to what is read: it was committed meanwhile, and the one before
// it is not there yet. The error says what does not fit the one before it, and is ErrAltered.
func (l *Links) Follow(a *schemas.Attributes, event []byte) (left bool, err error) {
	check := l.source(a.Source)
	if from := l.sources[adoptedFrom(a, event)]; from != nil {
		check.at = from.at
	}
	number, _ := check.at.Next()
	if finding := check.take(a, event, l.removes); finding != "" {
		return false, fmt.Errorf("%w: event %s %s", l.altered(a.Number > number), readable.Printable(a.ID), finding)
	}
	return check.Moving, nil
}

// End reports events that the checkpoint knows and that did not come. The error is ErrAltered.
func (l *Links) End() error {
	if l.origin == "" {
		return nil
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

// adoptedFrom returns the source whose history continues under another name with an event, empty when it is none such.
func adoptedFrom(a *schemas.Attributes, event []byte) string {
	if a.Type.Name() != "stream.adopted" {
		return ""
	}
	return gjson.GetBytes(event, "data.from_source").String()
}
