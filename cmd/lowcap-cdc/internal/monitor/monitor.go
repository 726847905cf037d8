// Package monitor knows how an instance does: metrics, health, lag, and what the loop is at.
package monitor

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/decode"
)

const (
	lookEvery  = 5 * time.Second // how often the server is asked for the state of the slot
	lookWithin = 5 * time.Second
	quietHour  = time.Hour // of no log line, after which one says that all is well
)

// Monitor knows how the pipelines do: it counts, follows the loop, asks the server for the state of the slot on a
// connection of its own, and prints a line in a quiet hour.
type Monitor struct {
	metrics *metrics
	loop    loop
	log     zerolog.Logger

	committed atomic.Int64
	lsn       atomic.Uint64 // everything before it is in the sink
	streaming atomic.Bool
	standby   atomic.Bool
	spoke     atomic.Int64 // when the last line was logged, in nanoseconds since 1970
	begun     atomic.Int64 // when the commit under way began, in nanoseconds since began; 0 for none
	durable   atomic.Int64 // when the last commit was done; 0 for never

	mu      sync.Mutex
	trend   trend
	looked  time.Time // when the server last answered
	failure failure

	stop context.CancelFunc
	done chan struct{}
}

// metricsRequests is how many may ask for the metrics at one moment; each takes memory of its own.
const metricsRequests = 4

// Handler serves the metrics.
func (m *Monitor) Handler() http.Handler {
	return m.metrics.registry.Handler(metricsRequests)
}

// Stuck says in words what the pipeline has been doing for too long, or nothing.
func (m *Monitor) Stuck(now time.Time) string { return m.loop.stuck(now) }

// View is what the server last said of the slot.
type View struct {
	Slot pg.Inspection
	Lag  time.Duration
	Loss float64       // see lowcap_cdc_slot_loss_seconds
	Ago  time.Duration // since the server last answered
}

// View returns what the server last said of the slot, and false before it has said anything.
func (m *Monitor) View() (View, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.trend.samples) == 0 {
		return View{}, false
	}
	return View{*m.trend.last(), m.trend.lag(), m.trend.loss(), time.Since(m.looked)}, true
}

// Standby reports whether another instance uses the slot.
func (m *Monitor) Standby() bool { return m.standby.Load() }

// New returns the monitor of this process, whose version is told with the metrics.
func New(version string) *Monitor {
	m := &Monitor{}
	m.metrics = newMetrics(version, m.loop.progressSeconds)
	m.loop.enter(waiting)
	m.spoke.Store(time.Now().UnixNano())
	return m
}

// Logger returns a logger whose lines count as signs of life.
func (m *Monitor) Logger(log zerolog.Logger) zerolog.Logger {
	m.log = log.Hook(zerolog.HookFunc(func(_ *zerolog.Event, level zerolog.Level, _ string) {
		if level >= zerolog.InfoLevel {
			m.spoke.Store(time.Now().UnixNano())
		}
	}))
	return m.log
}

// Watch begins to look at the server; Close ends it.
func (m *Monitor) Watch(config pg.Config) {
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
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
}

// look asks the server once. An error is only worth a debug line: a server that is away ends the pipeline, which logs it.
func (m *Monitor) look(ctx context.Context, server *pg.Inspector) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	inspection, err := server.Inspect(ctx)
	if err != nil {
		m.log.Debug().Err(err).Msg("slot not seen")
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trend.add(inspection)
	m.looked = time.Now()
	m.metrics.inspected(&inspection, &m.trend)
}

// heartbeat prints a line when none was printed for an hour.
func (m *Monitor) heartbeat(now time.Time) {
	if now.UnixNano()-m.spoke.Load() < int64(quietHour) {
		return
	}
	m.mu.Lock()
	lag := m.trend.lag()
	m.mu.Unlock()
	m.log.Info().Stringer("lsn", m.Place()).Int64("commits", m.Commits()).Bool("standby", m.standby.Load()).
		Stringer("lag", lag.Round(time.Second)).Msg("quiet hour: alive")
}

// Commits returns how many commits there were.
func (m *Monitor) Commits() int64 { return m.committed.Load() }

// Ready reports whether events flow.
func (m *Monitor) Ready() bool { return m.streaming.Load() }

// Place returns up to where everything is in the sink.
func (m *Monitor) Place() decode.LSN { return decode.LSN(m.lsn.Load()) }

// SetStandby says that another instance uses the slot.
func (m *Monitor) SetStandby() {
	m.standby.Store(true)
	m.loop.enter(waiting)
	m.streaming.Store(false)
	m.metrics.leader.Set(0)
}

// failure is what the last pipeline ended with, until a later one has committed.
type failure struct{ part, text string }

// Restarted notes that a pipeline ended with err and will be started again.
func (m *Monitor) Restarted(err error) {
	cause := causeOf(err)
	m.metrics.restarts.With(cause).Inc()
	m.mu.Lock()
	m.failure = failure{cause, err.Error()}
	m.mu.Unlock()
	m.begun.Store(0)
	if cause == causeFenced {
		m.metrics.fenced.Inc()
	}
	m.loop.enter(waiting)
	m.streaming.Store(false)
}

// Failures say what the source and the sink failed with last; empty once a commit was done since. A sink that has been given a
// batch and has not answered for a while counts as failed, though it may try again.
func (m *Monitor) Failures() (source, sink string) {
	m.mu.Lock()
	last := m.failure
	m.mu.Unlock()
	switch last.part {
	case "":
	case cdc.PartSource:
		source = last.text
	default:
		sink = last.text
	}
	if begun := m.begun.Load(); sink == "" && begun != 0 {
		if waits := time.Since(began) - time.Duration(begun); waits > patience {
			sink = fmt.Sprintf("no answer to a commit for %s", waits.Round(time.Second))
		}
	}
	return source, sink
}

// patience is how long a commit may take before the page says that the sink does not answer.
const patience = 10 * time.Second

// SinceCommit returns how long ago the last commit was done, and false before the first.
func (m *Monitor) SinceCommit() (time.Duration, bool) {
	at := m.durable.Load()
	return time.Since(began) - time.Duration(at), at != 0
}

// Close ends looking and waits for it. It is idempotent.
func (m *Monitor) Close() {
	if m.stop != nil {
		m.stop()
		<-m.done
	}
}
