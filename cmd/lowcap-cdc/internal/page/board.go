// Package page serves what an operator looks at: the web page, health and metrics.
package page

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
)

const (
	shownLines   = 100     // of the stream
	shownExits   = 500     // events of exits
	shownNotable = 50      // gaps and quarantined values, each
	shownRows    = 500     // of blocks, of pools, and of what waits, each
	shownRaw     = 2 << 10 // bytes of a quarantined value
	shownSamples = 120     // of the charts
)

// board is what the page shows. It belongs to one goroutine, the keeper's.
type board struct {
	rows       *readable.Board
	stream     shelf
	exits      shelf
	gaps       shelf
	quarantine shelf
	samples    []sample
	events     severities // committed since the start
	changed    changes
}

// changes count how often a list of the page has changed, so that it is sent again only when it has.
type changes struct{ rows, exits, gaps, quarantine, samples int }

// severities count events.
type severities struct {
	Page int64 `json:"page"`
	Warn int64 `json:"warn"`
	Info int64 `json:"info"`
}

func (s *severities) add(of schemas.Severity) {
	switch of {
	case schemas.Page:
		s.Page++
	case schemas.Warn:
		s.Warn++
	default:
		s.Info++
	}
}

func (s *severities) sum() int64 { return s.Page + s.Warn + s.Info }

// pageLine is a line, and for a quarantined value what it was.
type pageLine struct {
	readable.Line
	Raw string `json:"raw,omitempty"`

	topic string
}

// sample is one point of the charts.
type sample struct {
	At        time.Time  `json:"at"`
	PerSecond float64    `json:"events_per_second"`
	Events    severities `json:"events"` // since the sample before
	Lag       float64    `json:"lag_seconds"`
	Retained  int64      `json:"retained_wal_bytes"`
	Loss      *float64   `json:"loss_seconds"` // null: not running out

	total severities
}

func newBoard() *board {
	return &board{rows: readable.NewBoard(), stream: shelf{size: shownLines},
		exits: shelf{size: shownExits}, gaps: shelf{size: shownNotable}, quarantine: shelf{size: shownNotable}}
}

// put shows a row as it is now.
func (b *board) put(row readable.Row) {
	if b.rows.Put(row) {
		b.changed.rows++
	}
}

// shelf keeps the newest lines, each once, in the order of their sequence.
type shelf struct {
	lines []pageLine
	size  int
}

func (s *shelf) put(l pageLine) {
	at, known := slices.BinarySearchFunc(s.lines, l, func(x, y pageLine) int { return cmp.Compare(x.Sequence, y.Sequence) })
	if known {
		return
	}
	s.lines = slices.Insert(s.lines, at, l)
	if len(s.lines) > s.size {
		s.lines = slices.Delete(s.lines, 0, 1)
	}
}

// newest returns the lines, the newest first.
func (s *shelf) newest() []pageLine {
	list := append([]pageLine{}, s.lines...)
	slices.Reverse(list)
	return list
}

// show puts a line where it belongs.
func (b *board) show(l pageLine) {
	switch l.topic {
	case schemas.EmergencyExits:
		b.exits.put(l)
		b.changed.exits++
	case schemas.Control:
		b.gaps.put(l)
		b.changed.gaps++
	case schemas.Quarantine:
		b.quarantine.put(l)
		b.changed.quarantine++
	}
	b.stream.put(l)
}

// sample adds a point to the charts.
func (b *board) sample(s sample) {
	s.total = b.events
	if n := len(b.samples); n > 0 {
		before := &b.samples[n-1]
		s.Events = severities{s.total.Page - before.total.Page, s.total.Warn - before.total.Warn, s.total.Info - before.total.Info}
		if d := s.At.Sub(before.At).Seconds(); d > 0 {
			s.PerSecond = float64(s.Events.sum()) / d
		}
	}
	b.samples = append(b.samples, s)
	if len(b.samples) > shownSamples {
		b.samples = b.samples[1:]
	}
	b.changed.samples++
}

// shown is a copy of what the page shows, as it was at one moment. A list that is nil has not changed since it was last sent.
type shown struct {
	Blocks       []cdc.KnownBlock    `json:"blocks,omitzero"`
	BlocksTotal  int                 `json:"blocks_total"`
	Pools        []cdc.KnownPosition `json:"pools,omitzero"`
	PoolsTotal   int                 `json:"pools_total"`
	PoolsUSD     *float64            `json:"pools_usd"` // of all of them; null when that is no finite number
	Waiting      []readable.Waiting  `json:"waiting,omitzero"`
	WaitingTotal int                 `json:"waiting_total"`
	Exits        []pageLine          `json:"exits,omitzero"`
	Gaps         []pageLine          `json:"gaps,omitzero"`
	Quarantine   []pageLine          `json:"quarantine,omitzero"`
	Samples      []sample            `json:"samples,omitzero"`
	Stream       []pageLine          `json:"stream,omitzero"`

	changed changes
}

// shown copies the lists that have changed since; those of a board that has changed nothing are counted from one on, so that the
// zero value asks for all.
func (b *board) shown(since changes) shown {
	now := b.changed
	now.rows, now.exits, now.gaps, now.quarantine, now.samples = now.rows+1, now.exits+1, now.gaps+1, now.quarantine+1, now.samples+1
	s := shown{changed: now}
	blocks, pools, waiting := b.rows.Blocked(), b.rows.Open(), b.rows.Waiting()
	s.BlocksTotal, s.PoolsTotal, s.WaitingTotal = len(blocks), len(pools), len(waiting)
	s.PoolsUSD = sumOf(pools)
	if now.rows != since.rows {
		s.Blocks, s.Pools, s.Waiting = firstRows(blocks), firstRows(pools), firstRows(waiting)
	}
	for _, list := range []struct {
		changed bool
		from    *shelf
		to      *[]pageLine
	}{
		{now.exits != since.exits, &b.exits, &s.Exits}, {now.gaps != since.gaps, &b.gaps, &s.Gaps},
		{now.quarantine != since.quarantine, &b.quarantine, &s.Quarantine}, {since == changes{}, &b.stream, &s.Stream},
	} {
		if list.changed {
			*list.to = list.from.newest()
		}
	}
	if now.samples != since.samples {
		s.Samples = append([]sample{}, b.samples...)
	}
	return s
}

// sumOf adds what pools hold, for a person: a sum in binary is good enough.
func sumOf(pools []cdc.KnownPosition) *float64 {
	sum := 0.0
	for i := range pools {
		usd, err := strconv.ParseFloat(string(pools[i].PoolUSD), 64)
		if err == nil {
			sum += usd
		}
	}
	return finite(sum)
}

func firstRows[T any](list []T) []T { return list[:min(len(list), shownRows)] }
