package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// loss is what a lane will never be told, because it was removed before the lane had read it.
type loss struct {
	what    string
	events  int64  // at most
	where   string // the same for the same loss, and for no other
	missing string
	meaning string
}

const lossMeaning = "they were removed before this route had read them, and it goes on with the oldest that is there; " +
	"what they said is in the tables, run: lowcap-cdc status"

func recordsRemoved(records, oldest int64) loss {
	return loss{"Events were removed unread", records, fmt.Sprintf("%d@%d", records, oldest),
		fmt.Sprintf("at most %d records of the route's topics", records), lossMeaning}
}

func eventsRemoved(from, to uint64) loss {
	return loss{"Events were removed unread", int64(to - from + 1), fmt.Sprintf("%d-%d", from, to),
		fmt.Sprintf("the events %d to %d, as far as they are for this route", from, to), lossMeaning}
}

func historyReplaced(at *place) loss {
	return loss{"The sink has another history", 1, "history/" + at.Sequence,
		fmt.Sprintf("this route stood at event %d, which is not there as it was: the sink was rolled back, or begun anew", at.Number),
		"every event that is there is told, from the oldest on; run: lowcap-cdc audit verify"}
}

// owe makes a lane tell its route of a loss before it tells anything else. The lane's place moves only behind that.
func (l *lane) owe(of loss) {
	m := &receiver.Message{Severity: schemas.Warn, What: of.what, At: time.Now(), Link: l.route.page,
		Reference: fmt.Sprintf("lowcap-cdc/removed/%s/%s", l.place, of.where),
		Facts:     []receiver.Fact{{Name: "missing", Value: of.missing}, {Name: "meaning", Value: of.meaning}}}
	if l.wants(schemas.Page) {
		m.Severity = schemas.Page
	} else {
		m.What += " (what is no page)"
	}
	isKnown := func(other *receiver.Message) bool { return other.Reference == m.Reference }
	if l.delivered.has(m.Reference) || slices.ContainsFunc(l.owed, isKnown) {
		return // a rebalance found it again
	}
	l.owed = append(l.owed, m)
	l.route.counts.removed.With(l.route.name).Add(float64(of.events))
	l.log.Error().Str("missing", of.missing).Msg(of.what + ": " + of.meaning)
}

// settle tells what is owed.
func (l *lane) settle(ctx context.Context) error {
	for ; len(l.owed) > 0; l.owed = l.owed[1:] {
		l.health.reads(l.owed[0].At)
		if err := l.route.deliver(ctx, l.owed[0]); err != nil {
			return err
		}
		l.delivered.add(l.owed[0].Reference)
	}
	return nil
}

// errAnother says that a place is of another history than the one that the files hold.
var errAnother = errors.New("the place is of another history")

// isIn reports whether a place is the one with a sequence.
func (p *place) isIn(sequence string) bool { return sequence != "" && p.Sequence == sequence }

// holds is errAnother when an event that should have been handled shows that the place is of another history.
func (p *place) holds(e *sink.Stored, sequence string) error {
	if p.Number > 0 && sequence != p.Sequence && gjson.GetBytes(e.Value, "number").Uint() == p.Number {
		return errAnother
	}
	return nil
}

// checkHistory is errAnother when the files know fewer events than were handled.
func (f *fileFeed) checkHistory(ctx context.Context, at *place) error {
	if at.Number == 0 {
		return nil
	}
	known, err := f.checkpoint(ctx)
	if err == nil && known.Events.Number > 0 && known.Events.Number < at.Number {
		return errAnother
	}
	return err
}
