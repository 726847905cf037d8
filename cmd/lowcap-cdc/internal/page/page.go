// Package page serves what an operator looks at: the web page, health and metrics.
package page

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

const (
	shownLines   = 100     // of the stream
	shownNotable = 50      // exits, gaps, quarantined values, each
	shownRaw     = 4 << 10 // bytes of a quarantined value
	shownSamples = 60      // of the charts
)

// board is what the web page shows. The pipeline writes it after each commit, requests read it.
type board struct {
	mu          sync.Mutex
	rows        *readable.Board
	stream      shelf
	exits       shelf
	gaps        shelf
	quarantine  shelf
	samples     []sample
	events      int64 // committed since the start
	subscribers map[chan pageLine]bool
}

// pageLine is a line, and for a quarantined value what it was.
type pageLine struct {
	readable.Line
	Raw string `json:"raw,omitempty"`
}

// sample is one point of the charts.
type sample struct {
	At        time.Time `json:"at"`
	PerSecond float64   `json:"events_per_second"`
	Lag       float64   `json:"lag_seconds"`
	total     int64
}

func newBoard() *board {
	return &board{rows: readable.NewBoard(), stream: shelf{size: shownLines}, exits: shelf{size: shownNotable}, gaps: shelf{size: shownNotable},
		quarantine: shelf{size: shownNotable}, subscribers: make(map[chan pageLine]bool)}
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

// hooks follow what the sink holds.
func (p *board) hooks() cdc.Hooks {
	return cdc.Hooks{Resuming: p.reset, Loaded: p.load, Durable: p.commit}
}

// reset forgets the rows: a sink hands out its state from the beginning.
func (p *board) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows = readable.NewBoard()
}

// load takes in a state record. One that cannot be read ends the pipeline in another place.
func (p *board) load(key string, value []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.rows.Load(key, value)
}

// commit takes in what a commit made durable. Of a large batch only the end is made readable.
func (p *board) commit(batch *cdc.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range batch.State {
		_ = p.rows.Load(batch.State[i].Key, batch.State[i].Value)
	}
	p.events += int64(len(batch.Events))
	for i := range batch.Events {
		e := &batch.Events[i]
		if isNotable(e.Type) || i >= len(batch.Events)-shownLines {
			p.show(&sink.Stored{Value: e.Value}, e.Type)
		}
	}
}

// isNotable reports whether an event has a list of its own.
func isNotable(t schemas.Type) bool {
	topic := schemas.TopicOf(t)
	return topic == schemas.EmergencyExits || topic == schemas.Control || topic == schemas.Quarantine
}

// show puts an event where it belongs and tells who listens. A listener that does not keep up loses lines, not we.
func (p *board) show(e *sink.Stored, t schemas.Type) {
	l := pageLine{Line: readable.Describe(e)}
	switch schemas.TopicOf(t) {
	case schemas.EmergencyExits:
		p.exits.put(l)
	case schemas.Control:
		p.gaps.put(l)
	case schemas.Quarantine:
		l.Raw = readable.Printable(readable.Cut(gjson.GetBytes(e.Value, "data.raw").Raw, shownRaw))
		p.quarantine.put(l)
	}
	p.stream.put(l)
	for listener := range p.subscribers {
		select {
		case listener <- l:
		default:
		}
	}
}

// subscribe returns a channel that brings every line from now on.
func (p *board) subscribe() (lines chan pageLine, stop func()) {
	lines = make(chan pageLine, 256)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subscribers[lines] = true
	return lines, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.subscribers, lines)
	}
}

// sample adds a point to the charts.
func (p *board) sample(now time.Time, lag time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := sample{At: now, Lag: lag.Seconds(), total: p.events}
	if n := len(p.samples); n > 0 {
		before := p.samples[n-1]
		if d := now.Sub(before.At).Seconds(); d > 0 {
			s.PerSecond = float64(s.total-before.total) / d
		}
	}
	p.samples = append(p.samples, s)
	if len(p.samples) > shownSamples {
		p.samples = p.samples[1:]
	}
}

// recall fills the lists with what the sink holds from before this process, so that a restart hides no exit.
func (p *board) recall(ctx context.Context, reader sink.Reader) error {
	put := func(e *sink.Stored) error {
		a := e.Attributes()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.show(e, a.Type)
		return ctx.Err()
	}
	err := reader.ReadEvents(ctx, sink.Range{Topics: []string{schemas.EmergencyExits, schemas.Control, schemas.Quarantine}}, put)
	if err != nil {
		return err
	}
	return reader.ReadEvents(ctx, sink.Range{Since: time.Now().Add(-time.Hour)}, put)
}
