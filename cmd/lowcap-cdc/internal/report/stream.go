package report

import (
	"slices"
	"time"

	"lowcap-cdc/schemas"
)

// streamFold follows the events' numbers and times.
type streamFold struct {
	last    uint64          // number
	from    schemas.Instant // of the first event of the period
	before  time.Time       // of the event before, in the period
	longest time.Duration
	since   time.Time
}

const mostSources = 20

func (f *streamFold) take(s *Stream, e *event) {
	if s.Begins == "" {
		s.Begins = schemas.Instant(e.Time)
	}
	before := f.last
	f.last = e.Number
	if !e.in {
		return
	}
	if f.from == "" {
		f.from, s.First = schemas.Instant(e.Time), e.Number
	}
	s.Last = e.Number
	if len(s.Sources) < mostSources && !slices.Contains(s.Sources, e.Source) {
		s.Sources = append(s.Sources, e.Source)
	}
	switch {
	case e.Number == 1 && before > 1:
		s.Anew++
	case before > 0 && e.Number > before+1:
		s.Missing += e.Number - before - 1
		s.Gone.add(Span{before + 1, e.Number - 1})
	}
	if silent := e.at.Sub(f.before); !f.before.IsZero() && silent > f.longest {
		f.longest, f.since = silent, f.before
	}
	f.before = e.at
}

func (f *streamFold) end(s *Stream) {
	if f.longest > 0 {
		s.Quiet, s.QuietAt = microseconds(f.longest.Microseconds()), instant(f.since)
	}
}
