package audit

import (
	"errors"
	"time"

	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// trail is what a comparer has folded for good: every event up to the last one that a snapshot saw before the first that it did
// not see.
type trail struct {
	fold   *fold
	last   *sink.Stored // nil before the first
	events int
}

// since returns from when on a reading goes on: commit times run a little backwards.
func (t *trail) since() time.Time {
	if t.last == nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, t.last.Attributes().Time)
	if err != nil {
		return time.Time{}
	}
	return at.Add(-sealSlack)
}

// errBegunAnew says that a trail does not go on from what was read before.
var errBegunAnew = errors.New("the trail does not go on from what was read")

// reading takes in what is new for one snapshot.
type reading struct {
	*trail
	ahead     *fold // of an event that the snapshot saw behind one that it did not see; else nil
	isResumed bool
	joined    bool          // it has come to what was read before
	skipped   bool          // the snapshot did not see an event
	at        schemas.Chain // the last event of the trail
	head      uint64        // what the checkpoint knows
	before    int           // how many events were folded by an earlier one
	events    int           // how many are folded now
}

func (t *trail) reading(head uint64) *reading {
	r := &reading{trail: t, head: head, isResumed: t.last != nil, joined: t.last == nil, before: t.events, events: t.events}
	if r.isResumed {
		r.at.Add(t.last.Attributes().Number, t.last.Value)
	}
	t.fold.begin(r.at.Number, head)
	return r
}

// hasAll reports whether everything has come that the checkpoint knows.
func (r *reading) hasAll() bool { return r.joined && r.fold().passed >= r.head }

// fold returns what the snapshot's moment is to be compared with.
func (r *reading) fold() *fold {
	if r.ahead != nil {
		return r.ahead
	}
	return r.trail.fold
}

// take moves on to the next event.
func (r *reading) take(e *sink.Stored, a *schemas.Attributes, seen bool) error {
	if !r.joined {
		isNew, err := r.join(e, a)
		if err != nil || !isNew {
			return err
		}
	}
	switch {
	case !r.fold().pass(a):
		return nil
	case !seen:
		r.skipped = true
		return nil
	case r.skipped && r.ahead == nil:
		r.ahead = r.trail.fold.clone()
	}
	r.fold().take(a, e.Value)
	r.events++
	if r.ahead == nil {
		r.last, r.trail.events = e, r.events
	}
	return nil
}

// join looks for the place where the trail goes on, and reports whether an event is behind it.
func (r *reading) join(e *sink.Stored, a *schemas.Attributes) (isNew bool, err error) {
	next, chain := r.at.Next()
	switch {
	case a.Number == r.at.Number:
		var same schemas.Chain
		if same.Add(a.Number, e.Value); same != r.at {
			return false, errBegunAnew
		}
		r.joined = true
		return false, nil
	case a.Number == next && a.Chain == chain:
		r.joined = true // retention has removed the one before
		return true, nil
	case a.Number >= next:
		return false, errBegunAnew
	}
	return false, nil
}
