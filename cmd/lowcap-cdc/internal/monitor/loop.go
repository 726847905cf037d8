package monitor

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink"
)

// phase is what the pipeline's loop is doing.
type phase int32

const (
	waiting    phase = iota // between two pipelines, or as standby
	starting                // creating a slot waits for every open transaction to end
	resuming                // reading the state back
	reading                 // the server speaks at least every ten seconds
	committing              // the sink tries again within its budget
)

// phases holds each phase's name and how long it may last without a sign of life before the loop counts as stuck.
var phases = [...]struct {
	name  string
	limit time.Duration
}{
	waiting:    {"waiting to try again", time.Minute},
	starting:   {"starting", 15 * time.Minute},
	resuming:   {"reading the state", 4 * time.Minute},
	reading:    {"reading from Postgres", time.Minute},
	committing: {"committing to the sink", 4 * time.Minute},
}

// loop follows what the pipeline does, to tell a busy or patient one from a stuck one.
type loop struct {
	phase    atomic.Int32
	moved    atomic.Int64 // when a phase last began or showed life, in nanoseconds since began
	progress atomic.Int64 // when a message was last read or a commit finished; 0 for never
}

func (l *loop) enter(p phase) {
	l.phase.Store(int32(p))
	l.touch()
}

// began is what the loop counts from: not by the wall's clock, which may jump and make a healthy process look stuck.
var began = time.Now() // the process has begun once

func (l *loop) touch() { l.moved.Store(int64(time.Since(began))) }

func (l *loop) progressed() {
	l.touch()
	l.progress.Store(l.moved.Load())
}

// causeOf names what ended a pipeline.
func causeOf(err error) string {
	var part *cdc.PartError
	switch {
	case errors.Is(err, sink.ErrFenced):
		return causeFenced
	case errors.As(err, &part):
		return part.Part
	}
	return causeOther
}

// stuck says in words what the loop has been doing for too long, or nothing.
func (l *loop) stuck(now time.Time) string {
	p := phases[l.phase.Load()]
	if still := now.Sub(began) - time.Duration(l.moved.Load()); still > p.limit {
		return fmt.Sprintf("stuck: %s for %s, more than %s", p.name, still.Round(time.Second), p.limit)
	}
	return ""
}

// progressSeconds is when the loop last made progress, in seconds since 1970.
func (l *loop) progressSeconds() float64 {
	if since := l.progress.Load(); since != 0 {
		return float64(began.UnixNano()+since) / 1e9
	}
	return 0
}
