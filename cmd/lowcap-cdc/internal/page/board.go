// Package page serves what an operator looks at: the web page, health and metrics.
package page

import (
	"cmp"
	"slices"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
)

const (
	shownLines   = 100     // of the stream
	shownNotable = 50      // exits, gaps, quarantined values, each
	shownRows    = 200     // of blocks and of pools, each
	shownRaw     = 2 << 10 // bytes of a quarantined value
	shownSamples = 60      // of the charts
)

// board is what the page shows. It belongs to one goroutine, the keeper's.
type board struct {
	rows       *readable.Board
	stream     shelf
	exits      shelf
	gaps       shelf
	quarantine shelf
	samples    []sample
	events     int64 // committed since the start
}

// pageLine is a line, and for a quarantined value what it was.
type pageLine struct {
	readable.Line
	Raw string `json:"raw,omitempty"`

	topic string
}

// sample is one point of the charts.
type sample struct {
	At        time.Time `json:"at"`
	PerSecond float64   `json:"events_per_second"`
	Lag       float64   `json:"lag_seconds"`
	total     int64
}

func newBoard() *board {
	return &board{rows: readable.NewBoard(), stream: shelf{size: shownLines},
		exits: shelf{size: shownNotable}, gaps: shelf{size: shownNotable}, quarantine: shelf{size: shownNotable}}
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
	case schemas.Control:
		b.gaps.put(l)
	case schemas.Quarantine:
		b.quarantine.put(l)
	}
	b.stream.put(l)
}

// sample adds a point to the charts.
func (b *board) sample(now time.Time, lag time.Duration) {
	s := sample{At: now, Lag: lag.Seconds(), total: b.events}
	if n := len(b.samples); n > 0 {
		before := b.samples[n-1]
		if d := now.Sub(before.At).Seconds(); d > 0 {
			s.PerSecond = float64(s.total-before.total) / d
		}
	}
	b.samples = append(b.samples, s)
	if len(b.samples) > shownSamples {
		b.samples = b.samples[1:]
	}
}

// shown is a copy of what the page shows, as it was at one moment.
type shown struct {
	Blocks      []cdc.KnownBlock    `json:"blocks"`
	BlocksTotal int                 `json:"blocks_total"`
	Pools       []cdc.KnownPosition `json:"pools"`
	PoolsTotal  int                 `json:"pools_total"`
	Exits       []pageLine          `json:"exits"`
	Gaps        []pageLine          `json:"gaps"`
	Quarantine  []pageLine          `json:"quarantine"`
	Samples     []sample            `json:"samples"`
	Stream      []pageLine          `json:"stream,omitempty"`
}

func (b *board) shown() shown {
	blocks, pools := b.rows.Blocked(), b.rows.Open()
	return shown{
		Blocks: slices.Clone(blocks[:min(len(blocks), shownRows)]), BlocksTotal: len(blocks),
		Pools: slices.Clone(pools[:min(len(pools), shownRows)]), PoolsTotal: len(pools),
		Exits: b.exits.newest(), Gaps: b.gaps.newest(), Quarantine: b.quarantine.newest(),
		Samples: append([]sample{}, b.samples...), Stream: b.stream.newest(),
	}
}
