package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/decode"
)

const (
	lookEvery  = 5 * time.Second // how often the server is asked for the slot's standing
	lookWithin = 5 * time.Second
	quietHour  = time.Hour // of no log line, after which one says that all is well
)

// monitor knows how the pipelines do: it counts, follows the loop, asks the server for the slot's standing on a
// connection of its own, and prints a line in a quiet hour.
type monitor struct {
	metrics *metrics
	loop    loop
	log     zerolog.Logger

	committed atomic.Int64
	lsn       atomic.Uint64 // everything before it is in the sink
	streaming atomic.Bool
	standby   atomic.Bool
	spoke     atomic.Int64 // when the last line was logged, in nanoseconds since 1970

	page *page // nil when nothing is served

	mu     sync.Mutex
	trend  trend
	looked time.Time // when the server last answered

	stop context.CancelFunc
	done chan struct{}
}

func newMonitor() *monitor {
	m := &monitor{}
	m.metrics = newMetrics(m.loop.progressSeconds)
	m.loop.enter(waiting)
	m.spoke.Store(time.Now().UnixNano())
	return m
}

// logger returns a logger whose lines count as signs of life.
func (m *monitor) logger(log zerolog.Logger) zerolog.Logger {
	m.log = log.Hook(zerolog.HookFunc(func(_ *zerolog.Event, level zerolog.Level, _ string) {
		if level >= zerolog.InfoLevel {
			m.spoke.Store(time.Now().UnixNano())
		}
	}))
	return m.log
}

// watch begins to look at the server; close ends it.
func (m *monitor) watch(config pg.Config) {
	ctx, stop := context.WithCancel(context.Background())
	m.stop, m.done = stop, make(chan struct{})
	go func() {
		defer close(m.done)
		server, tick := pg.NewInspector(config), time.NewTicker(lookEvery)
		defer tick.Stop()
		defer server.Close()
		for {
			m.look(ctx, server)
			m.heartbeat(time.Now())
			m.sample(time.Now())
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
}

// look asks the server once. What it cannot say now it says later: a server that is away ends the pipeline, which tells.
func (m *monitor) look(ctx context.Context, server *pg.Inspector) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	standing, err := server.Inspect(ctx)
	if err != nil {
		m.log.Debug().Err(err).Msg("slot not seen")
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trend.add(standing)
	m.looked = time.Now()
	m.metrics.standing(&standing, &m.trend)
}

// heartbeat prints a line when none was printed for an hour.
func (m *monitor) heartbeat(now time.Time) {
	if now.UnixNano()-m.spoke.Load() < int64(quietHour) {
		return
	}
	m.mu.Lock()
	lag := m.trend.lag()
	m.mu.Unlock()
	m.log.Info().Stringer("lsn", m.place()).Int64("commits", m.commits()).Bool("standby", m.standby.Load()).
		Stringer("lag", lag.Round(time.Second)).Msg("quiet hour: alive")
}

// sample adds a point to the charts of the page.
func (m *monitor) sample(now time.Time) {
	if m.page == nil {
		return
	}
	m.mu.Lock()
	lag := m.trend.lag()
	m.mu.Unlock()
	m.page.sample(now, lag)
}

// recall shows on the page what the sink holds from before.
func (m *monitor) recall(ctx context.Context, s *Settings) {
	reader, done, err := s.reader()
	if err == nil {
		defer done()
		err = m.page.recall(ctx, reader)
	}
	if err != nil {
		m.log.Debug().Err(err).Msg("earlier events are not shown on the page")
	}
}

// source and sink return the two ends with their doings followed.
func (m *monitor) source(from cdc.Source, begun func(cdc.Start)) cdc.Source {
	return &watchedSource{from, &m.loop, func(start cdc.Start) {
		m.metrics.leader.Set(1)
		begun(start)
	}}
}

// streams says that events flow from a place on.
func (m *monitor) streams(from decode.LSN) {
	m.lsn.Store(uint64(from))
	m.streaming.Store(true)
}

func (m *monitor) sink(to cdc.Sink) cdc.Sink {
	return &watchedSink{to, &m.loop, m.page, func(d time.Duration) { m.metrics.commit.Observe(d.Seconds()) }}
}

// observe takes in a commit.
func (m *monitor) observe(p cdc.Progress) {
	m.committed.Add(1)
	m.metrics.observe(p, time.Now())
	if !p.Snapshot {
		m.streams(p.Checkpoint.LSN)
	}
}

func (m *monitor) commits() int64    { return m.committed.Load() }
func (m *monitor) ready() bool       { return m.streaming.Load() }
func (m *monitor) place() decode.LSN { return decode.LSN(m.lsn.Load()) }

// setStandby says that another instance uses the slot, or that this one has begun to.
func (m *monitor) setStandby(v bool) {
	m.standby.Store(v)
	if v {
		m.loop.enter(waiting)
		m.streaming.Store(false)
		m.metrics.leader.Set(0)
	}
}

// restarted notes that a pipeline ended with err and will be started again.
func (m *monitor) restarted(err error) {
	cause := m.loop.cause(err)
	m.metrics.restarts.WithLabelValues(cause).Inc()
	if cause == causeFenced {
		m.metrics.fenced.Inc()
	}
	m.loop.enter(waiting)
	m.streaming.Store(false)
}

// close ends looking and waits for it. It is idempotent.
func (m *monitor) close() {
	if m.stop != nil {
		m.stop()
		<-m.done
	}
}
