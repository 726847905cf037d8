package notify

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

const (
	mostSingles   = 3               // more that wait at once are told as one message
	newestShown   = 5               // of a summary
	typesShown    = 6               // of a summary
	longestGather = 2 * time.Second // without a digest, while more keeps coming
)

// gathering holds what is not urgent until it is told, in bounded memory: the first few events, and counts of all.
type gathering struct {
	every  time.Duration // of the digest; 0 for as soon as nothing more waits
	since  time.Time     // when the first one was found
	first  []sink.Stored // at most mostSingles
	newest []sink.Stored // at most newestShown
	counts map[schemas.Type]int
	tokens map[string]int
	total  int
	worst  schemas.Severity
	oldest time.Time // by commit
	repeat bool
}

func newGathering(every time.Duration) *gathering { return &gathering{every: every} }

func (g *gathering) add(e *sink.Stored, a *schemas.Attributes) {
	if g.total == 0 {
		*g = gathering{every: g.every, since: time.Now(), counts: make(map[schemas.Type]int), tokens: make(map[string]int), repeat: g.repeat}
		g.oldest, _ = time.Parse(time.RFC3339Nano, a.Time) //nolint:errcheck // the zero time is not told
	}
	g.total++
	g.counts[a.Type]++
	if rank(a.Severity) > rank(g.worst) {
		g.worst = a.Severity
	}
	if len(g.first) < mostSingles {
		g.first = append(g.first, *e)
	}
	if g.newest = append(g.newest, *e); len(g.newest) > newestShown {
		g.newest = slices.Clone(g.newest[1:])
	}
}

// isDue reports whether it is time to tell what was gathered; quiet says that the last round brought nothing.
func (g *gathering) isDue(now time.Time, quiet bool) bool {
	switch {
	case g.total == 0:
		return false
	case g.every > 0:
		return now.Sub(g.since) >= g.every
	}
	return quiet || now.Sub(g.since) >= longestGather
}

// messages returns what to tell: the events themselves when they are few and no digest was asked for, else one summary.
func (g *gathering) messages(page string) []*receiver.Message {
	if g.total > mostSingles || (g.every > 0 && g.total > 1) {
		return []*receiver.Message{g.summary(page)}
	}
	var list []*receiver.Message
	for i := range g.first {
		m := receiver.Of(&g.first[i], page)
		m.Repeat = g.repeat
		list = append(list, m)
	}
	return list
}

// summary tells counts and the newest events in one message.
func (g *gathering) summary(page string) *receiver.Message {
	newest := receiver.Of(&g.newest[len(g.newest)-1], page)
	m := &receiver.Message{Severity: g.worst, What: fmt.Sprintf("%d events, none of them a page", g.total), At: newest.At, Link: page, Trail: newest.Trail,
		Reference: receiver.Of(&g.first[0], page).Reference + "+" + strconv.Itoa(g.total), Repeat: g.repeat}
	types := slices.SortedFunc(maps.Keys(g.counts), func(a, b schemas.Type) int {
		return cmp.Or(cmp.Compare(g.counts[b], g.counts[a]), cmp.Compare(a, b))
	})
	for i, t := range types {
		if i == typesShown {
			m.Facts = append(m.Facts, receiver.Fact{Name: "other types", Value: strconv.Itoa(len(types) - i)})
			break
		}
		m.Facts = append(m.Facts, receiver.Fact{Name: receiver.What(t), Value: strconv.Itoa(g.counts[t]) + " times"})
	}
	for i := len(g.newest) - 1; i >= 0; i-- {
		one := receiver.Of(&g.newest[i], page)
		m.Facts = append(m.Facts, receiver.Fact{Name: "newest", Value: one.Title() + ", " + one.At.UTC().Format(time.TimeOnly)})
	}
	return m
}

// deliverGathered takes what a round found, and tells what is due. The place moves on when that is delivered.
func (l *lane) deliverGathered(ctx context.Context, round *sink.Round) error {
	found := 0
	for i := range round.Events {
		e := &round.Events[i]
		a := e.Attributes()
		if !l.isWanted(e, &a) {
			continue
		}
		l.gather.repeat = l.gather.repeat || round.Begun(e)
		if l.gather.total == 0 && !l.route.receiver.IsIdempotent() {
			if err := round.Handled(ctx, i, true); err != nil { // from here on it may be told twice
				return err
			}
		}
		l.gather.add(e, &a)
		found++
	}
	l.health.reads(l.overdue())
	if l.gather.total == 0 {
		return l.moveOn(ctx, round)
	}
	if !l.gather.isDue(time.Now(), found == 0) {
		return nil
	}
	return l.tell(ctx, round)
}

// tell delivers what was gathered.
func (l *lane) tell(ctx context.Context, round *sink.Round) error {
	for _, m := range l.gather.messages(l.route.page) {
		if l.delivered.has(m.Reference) {
			continue
		}
		if err := l.route.deliver(ctx, m); err != nil {
			l.gather.repeat = l.gather.repeat || m.Repeat
			return err
		}
		l.delivered.add(m.Reference)
	}
	l.gather.total, l.gather.repeat, l.committed = 0, false, time.Now()
	return round.Handled(context.WithoutCancel(ctx), len(round.Events), false)
}

// overdue is the commit time of the oldest gathered event once its digest should have been told.
func (l *lane) overdue() time.Time {
	if l.gather.total == 0 || time.Since(l.gather.since) < l.gather.every {
		return time.Time{}
	}
	return l.gather.oldest
}
