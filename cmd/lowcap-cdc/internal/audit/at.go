package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/sink"
)

// At folds the events up to a moment, and returns what they tell of a token, or of all without one. It reads again before it says
// that something is gone: a broker shows the end of a transaction in one topic before it does in another.
func At(ctx context.Context, reader sink.Reader, m Moment, token string) (*Standing, error) {
	s, err := at(ctx, reader, m, token)
	if !errors.Is(err, errGone) {
		return s, err
	}
	if err := sleep(ctx, rereadAfter); err != nil {
		return nil, err
	}
	return at(ctx, reader, m, token)
}

// errGone says that events are not there which a fold needs.
var errGone = errors.New("are gone, by retention or because this is a part")

func at(ctx context.Context, reader sink.Reader, m Moment, token string) (*Standing, error) {
	known, err := readCheckpoint(ctx, reader)
	if err != nil {
		return nil, err
	}
	if err := m.put(known); err != nil {
		return nil, err
	}
	f, of := newFold(known.Events.Number), &asked{token: token, contracts: make(map[string]bool)}
	err = reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		a := e.Attributes()
		switch {
		case m.isLSN && known.SystemID == "" && a.Type.Name() == "stream.adopted":
			return errors.New("this copy holds the history of several servers, and no checkpoint: what an LSN means here is not known; name a time")
		case !f.pass(&a):
		case m.includes(&a):
			f.take(&a, e.Value)
			of.hear(e)
		case f.first == "":
			f.first = a.Time
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	if err := f.reaches(&m); err != nil {
		return nil, err
	}
	if !of.isKnown {
		return nil, fmt.Errorf("no event up to %s is about %q; run: lowcap-cdc tail --since 24h, to see which tokens there are", f.last.Time, token)
	}
	s := f.standing(of)
	s.Ends = m.beyond(known)
	return s, nil
}

// reaches reports why what was folded does not tell how things stood at a moment.
func (f *fold) reaches(m *Moment) error {
	switch {
	case f.last.ID == "" && f.first == "":
		return errors.New("the trail has no event; has anything been published yet?")
	case f.last.ID == "":
		return fmt.Errorf("the trail begins with the baseline of %s, which is later: how things stood before, no event tells", f.first)
	case m.Number > f.last.Number && m.Number <= f.most:
		return fmt.Errorf("the numbers began anew on %s, and since then the last one is %d; for how things stood at event %d before that, name its time",
			f.anew, f.last.Number, m.Number)
	case m.Number > f.last.Number:
		return fmt.Errorf("event %d is not there; the last one is number %d", m.Number, f.last.Number)
	case f.missing.To > 0:
		return fmt.Errorf("the events %s %w: rows that have not changed since would be missing here", f.missing, errGone)
	}
	return nil
}

// put finds where an LSN stands in the history. It is one of the server that the history comes from now.
func (m *Moment) put(known *cdc.Checkpoint) error {
	at, err := known.PlaceOf(m.LSN)
	if m.isLSN && err != nil {
		return fmt.Errorf("%w; for what was before, name a time or a number", err)
	}
	m.place = at
	return nil
}

// beyond returns where the sink's knowledge of the database ends, nil when it has come to the moment, or is a copy's.
func (m *Moment) beyond(known *cdc.Checkpoint) *Place {
	when := known.Time.UTC()
	switch {
	case known.LSN == 0, known.Time == 0, m.Number > 0, m.isLSN && m.LSN <= known.LSN, !m.isLSN && !m.Time.After(when):
		return nil
	}
	return &Place{Number: known.Events.Number, LSN: known.LSN.String(), Time: when.Format(time.RFC3339Nano)}
}

// asked is the token that somebody asks for; empty for all.
type asked struct {
	token     string
	isKnown   bool            // an event was about it
	contracts map[string]bool // that had this ticker at some time
}

// hear takes in an event.
func (q *asked) hear(e *sink.Stored) {
	if !readable.IsToken(q.token, e) {
		return
	}
	q.isKnown = true
	if about := readable.EntityOf(e); q.token != "" && about.Contract != "" && strings.EqualFold(q.token, about.Ticker) {
		q.contracts[about.Contract] = true
	}
}

// matches reports whether a row is one of the token's: given by its contract, ticker, position or row.
func (q *asked) matches(contract, ticker, id, chain, timeframe string) bool {
	return q.token == "" || q.token == contract || q.contracts[contract] || strings.EqualFold(q.token, ticker) || id != "" && q.token == id ||
		q.token == chain+"/"+contract+"/"+timeframe
}
