package notify

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

const (
	remembered  = 10000       // ids of what this process delivered
	commitEvery = time.Second // the place, where nothing was sent
)

// lane reads for a route from a place of its own. A route that tells people of pages and of less has two: a page waits for
// nothing else, and the rest may be gathered. A program gets everything in one lane, in order.
type lane struct {
	route  *route
	place  string // the name of its place: a consumer group, or a file
	wants  func(schemas.Severity) bool
	gather *gathering // nil for one by one
	health *laneHealth
	log    zerolog.Logger

	owed      []*receiver.Message // told before anything else
	delivered *recent
	committed time.Time

	complaint  string // why reading stopped the last time
	complained time.Time
}

// lanes returns the lanes of a route in which anything can come; group is what the names of their places begin with.
func (r *route) lanes(group string) []*lane {
	if r.severity == noSeverity {
		return nil
	}
	var list []*lane
	for _, l := range r.everyLane(group) {
		if len(l.topics()) > 0 {
			list = append(list, l)
		}
	}
	return list
}

// restOf ends the name of the place of what is no page.
const restOf = "-rest"

func (r *route) everyLane(group string) []*lane {
	isPage := func(s schemas.Severity) bool { return s == schemas.Page }
	if !receiver.IsForPeople(r.kind) || r.severity == schemas.Page {
		return []*lane{r.lane(group, func(schemas.Severity) bool { return true }, nil)}
	}
	return []*lane{r.lane(group, isPage, nil),
		r.lane(group+restOf, func(s schemas.Severity) bool { return !isPage(s) }, newGathering(r.digest))}
}

func (r *route) lane(place string, wants func(schemas.Severity) bool, gather *gathering) *lane {
	return &lane{route: r, place: place, wants: wants, gather: gather, health: r.health.lane(), delivered: newRecent(remembered),
		log: r.log.With().Str("place", place).Logger()}
}

// topics returns the topics, without prefix, that can hold what the lane brings.
func (l *lane) topics() []string {
	var topics []string
	for _, k := range schemas.Kinds() {
		can := slices.ContainsFunc(k.Severities, func(s schemas.Severity) bool { return l.wants(s) && rank(s) >= rank(l.route.severity) })
		if can && matchesType(l.route.types, k.Type) && !slices.Contains(topics, k.Topic) {
			topics = append(topics, k.Topic)
		}
	}
	return topics
}

// isWanted reports whether the lane brings an event to its route.
func (l *lane) isWanted(e *sink.Stored, a *schemas.Attributes) bool {
	return l.wants(a.Severity) && l.route.wants(e, a) && !l.delivered.has(a.ID)
}

// deliver delivers what a round found, and moves the place behind it.
func (l *lane) deliver(ctx context.Context, round *sink.Round) error {
	err := l.deliverRound(ctx, round)
	if err == nil {
		l.health.goOn()
	}
	return err
}

func (l *lane) deliverRound(ctx context.Context, round *sink.Round) error {
	if err := l.settle(ctx); err != nil {
		return err
	}
	if l.gather != nil {
		return l.deliverGathered(ctx, round)
	}
	l.health.reads(time.Time{})
	for i := range round.Events {
		e := &round.Events[i]
		a := e.Attributes()
		if !l.isWanted(e, &a) {
			continue
		}
		if err := l.deliverOne(ctx, round, i, &a); err != nil {
			return err
		}
	}
	l.health.reads(time.Time{})
	return l.moveOn(ctx, round)
}

// deliverOne delivers event i of a round. A receiver that does not know a second copy is told when this may be one: that
// is remembered before the first attempt.
func (l *lane) deliverOne(ctx context.Context, round *sink.Round, i int, a *schemas.Attributes) error {
	e := &round.Events[i]
	m := receiver.Of(e, l.route.page)
	l.health.reads(m.At)
	l.log.Debug().Str("id", a.ID).Msg("read")
	m.Repeat = round.Begun(e) || a.ID == l.delivered.trying
	if !l.route.receiver.IsIdempotent() {
		l.delivered.trying = a.ID
		if err := round.Handled(ctx, i, true); err != nil {
			return err
		}
	}
	if err := l.route.deliver(ctx, m); err != nil {
		return err
	}
	l.delivered.add(a.ID)
	l.committed = time.Now()
	return round.Handled(context.WithoutCancel(ctx), i+1, false)
}

// moveOn remembers that a round is done, now and then: what has not been sent comes again at no cost.
func (l *lane) moveOn(ctx context.Context, round *sink.Round) error {
	if now := time.Now(); now.Sub(l.committed) >= commitEvery || ctx.Err() != nil {
		l.committed = now
		return round.Handled(context.WithoutCancel(ctx), len(round.Events), false)
	}
	return nil
}

// recent remembers the last ids, to leave out what comes again in the same process.
type recent struct {
	known  map[string]bool
	ring   []string
	next   int
	trying string // what was tried last
}

func newRecent(n int) *recent {
	return &recent{known: make(map[string]bool, n), ring: make([]string, n)}
}

func (r *recent) has(id string) bool { return r.known[id] }

func (r *recent) add(id string) {
	delete(r.known, r.ring[r.next])
	r.ring[r.next], r.known[id] = id, true
	r.next = (r.next + 1) % len(r.ring)
	r.trying = ""
}
