package monitor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
	"lowcap-cdc/sink"
)

// phase is what the pipeline's loop is doing.
type phase int32

const (
	waiting    phase = iota // between two pipelines, or as standby
	starting                // creating a slot waits for transactions that are open: as long as somebody else likes
	resuming                // reading the state back
	reading                 // the server speaks at least every ten seconds
	committing              // the sink tries again within its budget
)

// phases holds each phase's name and how long it may last without a sign of life before the loop counts as stuck.
var phases = [...]struct { //nolint:gochecknoglobals // a constant
	name  string
	limit time.Duration
}{
	waiting:    {"waiting to try again", time.Minute},
	starting:   {"starting", 15 * time.Minute},
	resuming:   {"reading the state", 4 * time.Minute},
	reading:    {"reading from Postgres", time.Minute},
	committing: {"committing to the sink", 4 * time.Minute},
}

// loop follows what the pipeline does, to tell a busy or patient one from a stuck one, and which part failed.
type loop struct {
	phase    atomic.Int32
	moved    atomic.Int64 // when a phase last began or showed life, in nanoseconds since began
	progress atomic.Int64 // when a message was last read or a commit finished; 0 for never
	failed   atomic.Pointer[string]
}

func (l *loop) enter(p phase) {
	l.phase.Store(int32(p))
	l.touch()
}

// began is what the loop counts from: not by the wall's clock, which may jump and make a healthy process look stuck.
var began = time.Now() //nolint:gochecknoglobals // the process has begun once

func (l *loop) touch() { l.moved.Store(int64(time.Since(began))) }

func (l *loop) progressed() {
	l.touch()
	l.progress.Store(l.moved.Load())
}

// fail notes which part returned an error.
func (l *loop) fail(part string, err error) error {
	if err != nil {
		l.failed.Store(&part)
	}
	return err
}

// cause names what ended a pipeline.
func (l *loop) cause(err error) string {
	part := l.failed.Swap(nil)
	switch {
	case errors.Is(err, sink.ErrFenced):
		return causeFenced
	case part != nil:
		return *part
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

// watchedSource is a source whose loop is followed.
type watchedSource struct {
	cdc.Source
	loop  *loop
	begun func(cdc.Start)
}

func (s *watchedSource) Free(ctx context.Context) error {
	s.loop.enter(starting)
	return s.loop.fail(causeSource, s.Source.Free(ctx))
}

func (s *watchedSource) Start(ctx context.Context, start cdc.Start) (cdc.Identity, error) {
	s.loop.enter(starting)
	identity, err := s.Source.Start(ctx, start)
	s.loop.enter(reading)
	if err == nil {
		s.begun(start)
	}
	return identity, s.loop.fail(causeSource, err)
}

// Next notes a sign of life when it had to wait for the server. A busy stream is not slowed down by it.
func (s *watchedSource) Next(ctx context.Context) (decode.Message, error) {
	if s.Buffered() {
		return s.Source.Next(ctx)
	}
	message, err := s.Source.Next(ctx)
	if err == nil {
		s.loop.progressed()
	}
	return message, s.loop.fail(causeSource, err)
}

// watchedSink is a sink whose loop is followed and whose commits are timed and shown.
type watchedSink struct {
	cdc.Sink
	loop *loop
	page Display // nil when nothing is served
	took func(time.Duration)
}

func (s *watchedSink) Resume(ctx context.Context, load func(string, []byte) error) error {
	s.loop.enter(resuming)
	if s.page != nil {
		s.page.Reset()
	}
	return s.loop.fail(causeSink, s.Sink.Resume(ctx, func(key string, value []byte) error {
		s.loop.touch()
		if s.page != nil {
			s.page.Load(key, value)
		}
		return load(key, value)
	}))
}

func (s *watchedSink) Commit(ctx context.Context, batch *cdc.Batch) error {
	s.loop.enter(committing)
	begun := time.Now()
	err := s.Sink.Commit(ctx, batch)
	if err == nil {
		s.took(time.Since(begun))
		if s.page != nil {
			s.page.Commit(batch)
		}
		s.loop.progressed()
	}
	s.loop.phase.Store(int32(reading))
	return s.loop.fail(causeSink, err)
}
