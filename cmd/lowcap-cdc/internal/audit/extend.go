package audit

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/schemas"
)

// ErrRefused says that what a sink holds does not extend the last seal: someone altered it, rolled it back or began it anew.
var ErrRefused = errors.New("refused to seal")

// extension follows the events of a sink from a seal on, and holds each against the one before it.
type extension struct {
	base    seal.Checkpoint   // the seal that the tree begins with; the zero one stands before the first event
	tree    seal.Frontier     // up to base
	seals   []seal.Seal       // behind base, that the tree must pass through
	head    schemas.Chain     // the last event that the checkpoint knows, zero when there is none
	origin  string            // the checkpoint's source
	sources map[string]*start // by CloudEvents source
}

// start is a numbering from its first event on. When the state is lost the numbers begin anew, in another start.
type start struct {
	tree      seal.Frontier
	at        schemas.Chain // the last event
	lsn, time string        // of the last event behind the base
	held      seal.Frontier // up to the last of the seals behind the base
	passed    int           // seals behind the base that it has come through
	holds     bool          // it holds the event that the last seal ends with
	anew      bool          // an earlier start held that event
	moving    bool          // what comes now was committed while it is read
	broken    error         // the first thing that is wrong
}

func newExtension(base seal.Checkpoint, tree seal.Frontier, seals []seal.Seal) *extension {
	return &extension{base: base, tree: tree, seals: seals, sources: make(map[string]*start)}
}

// begin returns a new start.
func (x *extension) begin() *start {
	return &start{tree: x.tree.Clone(), holds: x.base.Size == 0 && len(x.seals) == 0}
}

// last returns the seal that is to be extended.
func (x *extension) last() seal.Checkpoint {
	if n := len(x.seals); n > 0 {
		return x.seals[n-1].Checkpoint
	}
	return x.base
}

// take moves on to the next event.
func (x *extension) take(a *schemas.Attributes, event []byte) {
	if a.Number == 0 {
		return // written under contract v1.0, before there was a chain
	}
	s := x.of(a, event)
	switch number, _ := s.at.Next(); {
	case s.broken != nil || s.moving:
	case a.Number < number:
		s.broken = fmt.Errorf("event %s has number %d, the one before it %d", a.ID, a.Number, s.at.Number)
	case a.Number <= x.base.Size:
		x.sealed(s, a, event)
	default:
		x.extend(s, a, event)
	}
}

// of returns the start that an event belongs to.
func (x *extension) of(a *schemas.Attributes, event []byte) *start {
	s := x.sources[a.Source]
	switch {
	case s == nil && a.Number > 1:
		// The history of another database continues here, when someone has said so.
		if s = x.sources[adoptedFrom(a, event)]; s == nil {
			s = x.begin()
		}
	case s == nil:
		s = x.begin()
	case a.Number == 1 && s.at.Number > 0:
		anew := s.anew || (s.holds && x.last().Size > 0)
		s = x.begin()
		s.anew = anew
	}
	x.sources[a.Source] = s
	return s
}

// sealed holds an event against the seal that it is under: only the last one can be told from another.
func (x *extension) sealed(s *start, a *schemas.Attributes, event []byte) {
	number, chain := s.at.Next()
	if a.Number == number && s.at.Number > 0 && a.Chain != chain {
		s.broken = fmt.Errorf("event %s does not hold the hash of event %d before it", a.ID, s.at.Number)
		return
	}
	s.at.Add(a.Number, event)
	switch {
	case a.Number < x.base.Size, x.base.Chain == "": // the tree begins behind what was removed
	case s.at.Hash != x.base.Chain:
		s.broken = fmt.Errorf("event %s is not the event %d that was sealed", a.ID, x.base.Size)
	default:
		s.holds = len(x.seals) == 0
	}
}

// extend moves on to an event behind the base.
func (x *extension) extend(s *start, a *schemas.Attributes, event []byte) {
	if s.at.Number < x.base.Size {
		s.at = schemas.Chain{Number: x.base.Size, Hash: cmp.Or(x.base.Chain, a.Chain)} // what comes before was sealed, or is absent, and not read
	}
	number, chain := s.at.Next()
	switch {
	case a.Number > number && number > x.head.Number && x.head.Number > 0:
		s.moving = true
		return
	case a.Number > number:
		s.broken = fmt.Errorf("the events %d to %d are missing before event %s", number, a.Number-1, a.ID)
		return
	case a.Chain != chain && s.at.Number == x.base.Size && x.base.Size > 0:
		s.broken = fmt.Errorf("event %s does not go on from the sealed event %d: this is another history", a.ID, x.base.Size)
		return
	case a.Chain != chain:
		s.broken = fmt.Errorf("event %s does not hold the hash of event %d before it", a.ID, s.at.Number)
		return
	}
	s.holds = s.holds || len(x.seals) == 0 // its predecessor is the sealed event
	s.tree.Add(event)
	s.at.Add(a.Number, event)
	s.lsn, s.time = gjson.GetBytes(event, "data.origin.commit_lsn").String(), a.Time
	x.pass(s, a.ID)
}

// pass holds a start against the seals that the tree comes through, and against the checkpoint.
func (x *extension) pass(s *start, id string) {
	if s.passed < len(x.seals) && x.seals[s.passed].Size == s.at.Number {
		if c := &x.seals[s.passed]; c.Root != s.tree.Root() || c.Chain != s.at.Hash {
			s.broken = fmt.Errorf("up to event %s the events are not the %d that were sealed", id, c.Size)
			return
		}
		if s.passed++; s.passed == len(x.seals) {
			s.holds, s.held = true, s.tree.Clone()
		}
	}
	if s.at.Number == x.head.Number && s.at.Hash != x.head.Hash {
		s.broken = fmt.Errorf("event %s is not the one that the checkpoint knows as the last: it was altered", id)
	}
}

// end returns the start that extends the last seal, and an error when there is none. removed says that the sink removes
// events.
func (x *extension) end(removed bool) (*start, error) {
	last := x.last()
	s, err := x.current()
	switch {
	case err != nil:
		return nil, err
	case s == nil && (last.Size == 0 || removed) && x.head.Number <= last.Size:
		return x.begin(), nil // nothing is there yet, or any more
	case s == nil:
		return nil, fmt.Errorf("no event is there, the last seal is over %d, and the checkpoint knows %d", last.Size, x.head.Number)
	case s.anew:
		return nil, fmt.Errorf(
			"the numbering began anew after the sealed event %d: another start never extends a seal; begin another log",
			last.Size,
		)
	case s.broken != nil:
		return nil, s.broken
	case x.head.Number > 0 && x.head.Number < last.Size:
		return nil, fmt.Errorf("the checkpoint knows %d events, the last seal is over %d: it was rolled back", x.head.Number, last.Size)
	case !s.holds && s.at.Number >= last.Size:
		return nil, fmt.Errorf("the sealed event %d is not there", last.Size)
	case !s.holds:
		return nil, fmt.Errorf(
			"the last event is number %d, the last seal is over %d: the end was cut off, or rolled back",
			s.at.Number,
			last.Size,
		)
	case x.head.Number > s.at.Number:
		return nil, fmt.Errorf("the checkpoint knows %d events, the last that is there is number %d", x.head.Number, s.at.Number)
	}
	return s, nil
}

// current returns the start that continues: the checkpoint's; in a copy the only one, or the one that was sealed.
func (x *extension) current() (*start, error) {
	if s := x.sources[x.origin]; s != nil {
		return s, nil
	}
	var found, holding []*start
	for _, s := range x.sources {
		found = append(found, s)
		if s.holds || s.anew {
			holding = append(holding, s)
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) == 1:
		return found[0], nil
	case len(holding) == 1:
		return holding[0], nil
	}
	return nil, fmt.Errorf("the sink holds the events of %d databases; seal each in a sink, or a topic prefix, of its own", len(found))
}
