package monitor

import (
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// Hooks follow a pipeline. One set serves one pipeline after the other.
func (m *Monitor) Hooks() cdc.Hooks {
	state := &stateRead{log: m.log}
	var begun time.Time // of the commit under way: there is never a second one
	return cdc.Hooks{
		Starting: func() { m.loop.enter(starting) },
		Resuming: func() { m.loop.enter(resuming); state.begin() },
		Loaded:   func(key string, value []byte) { m.loop.touch(); state.add(len(key) + len(value)) },
		Resumed:  func() { state.end(); m.loop.enter(starting) },
		Started:  m.started,
		Heard:    m.loop.progressed,
		Committing: func(*cdc.Batch) {
			begun = time.Now()
			m.begun.Store(int64(time.Since(began)))
			m.loop.enter(committing)
		},
		Durable: func(*cdc.Batch) {
			m.begun.Store(0)
			m.metrics.commit.Observe(time.Since(begun).Seconds())
			m.loop.progressed()
			m.loop.phase.Store(int32(reading))
		},
		Committed: m.observe,
		Ignored:   m.metrics.ignored.Inc,
	}
}

func (m *Monitor) started(start cdc.Start) {
	m.loop.enter(reading)
	m.standby.Store(false)
	m.metrics.leader.Set(1)
	if start.Resume != 0 {
		m.streams(start.Resume)
	}
}

// streams says that events flow from a place on.
func (m *Monitor) streams(from decode.LSN) {
	m.lsn.Store(uint64(from))
	m.streaming.Store(true)
}

// observe follows a commit.
func (m *Monitor) observe(p cdc.Progress) {
	m.committed.Add(1)
	m.durable.Store(int64(time.Since(began)))
	m.mu.Lock()
	m.failure = failure{}
	m.mu.Unlock()
	limits.holds(p.Images, p.ImageBytes)
	m.metrics.observe(p, time.Now())
	if !p.Snapshot {
		m.streams(p.Checkpoint.LSN)
	}
}

// stateLineEvery is how often reading the state says how far it is.
const stateLineEvery = 2 * time.Second

// stateRead follows how the state is read back. It tells the collector, and logs a line every stateLineEvery.
type stateRead struct {
	log          zerolog.Logger
	records      int
	bytes        int64
	begun, spoke time.Time
}

func (s *stateRead) begin() {
	s.records, s.bytes, s.begun = 0, 0, time.Now()
	s.spoke = s.begun
}

func (s *stateRead) add(bytes int) {
	s.records, s.bytes = s.records+1, s.bytes+int64(bytes)
	if s.records%1000 != 0 {
		return
	}
	limits.holds(s.records, s.bytes)
	if time.Since(s.spoke) > stateLineEvery {
		s.spoke = time.Now()
		s.line().Msg("reading the state")
	}
}

func (s *stateRead) end() { s.line().Msg("state read") }

func (s *stateRead) line() *zerolog.Event {
	return s.log.Info().Int("records", s.records).Int64("bytes", s.bytes).Dur("milliseconds", time.Since(s.begun))
}
