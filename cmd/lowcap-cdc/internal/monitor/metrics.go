package monitor

import (
	"math"
	"runtime"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/metric"
	"lowcap-cdc/schemas"
)

// The causes of a restart: which part ended the pipeline.
const (
	causeSource = cdc.PartSource
	causeSink   = cdc.PartSink
	causeFenced = "fenced"
	causeOther  = "other"
)

// metrics are everything that /metrics serves. Every series is there from the beginning: a counter that appears with
// its first event has no earlier sample, and an alert on its increase would miss that event.
type metrics struct {
	registry metric.Registry

	events       *metric.Vec[*metric.Counter]
	commits      *metric.Counter
	transactions *metric.Counter
	bytes        *metric.Counter
	batch        *metric.Histogram
	commit       *metric.Histogram
	latency      *metric.Histogram
	gaps         *metric.Counter
	quarantined  *metric.Counter
	ignored      *metric.Counter
	lastExit     *metric.Gauge
	committed    *metric.Gauge
	images       *metric.Gauge
	imageBytes   *metric.Gauge

	restarts *metric.Vec[*metric.Counter]
	fenced   *metric.Counter
	leader   *metric.Gauge

	lagBytes   *metric.Gauge
	lagSeconds *metric.Gauge
	retained   *metric.Gauge
	loss       *metric.Gauge
	missing    *metric.Vec[*metric.Gauge]

	lastLSN string // the newest transaction that was counted
}

func newMetrics(version string, progress func() float64) *metrics {
	m := &metrics{}
	m.registerFlow()
	m.registerState()
	m.registry.Funcs(prefix+"last_progress_timestamp_seconds",
		"When the pipeline last read a message or finished a commit, in seconds since 1970; 0 before that. Unlike a commit it also moves while nothing happens.",
	)(progress)
	build := m.registry.Gauges(prefix+"build_info", "1, with the version of lowcap-cdc and of Go.", "version", "go")
	build.With(version, runtime.Version()).Set(1)
	m.registry.Runtime()
	return m
}

// registerFlow makes the metrics that count events.
func (m *metrics) registerFlow() {
	m.events = m.registry.Counters(prefix+"events_total", "Events committed to the sink, by type and by topic without its prefix.", "type", "topic")
	for _, k := range schemas.Kinds() {
		m.events.With(string(k.Type), k.Topic)
	}
	m.commits = m.registry.Counter(prefix+"commits_total", "Batches committed to the sink, with events or only with a new checkpoint.")
	m.transactions = m.registry.Counter(
		prefix+"transactions_total",
		"Postgres transactions whose events were committed to the sink; those without events are not counted.",
	)
	m.bytes = m.registry.Counter(prefix+"event_bytes_total", "Bytes of the events committed to the sink, before compression.")
	m.batch = m.registry.Histogram(prefix+"batch_events", "Events in a commit.", exponential(1, 10000, 9))
	m.commit = m.registry.Histogram(prefix+"commit_duration_seconds", "How long the sink took to make a batch durable, in seconds.", durations(0.0005, 60))
	m.latency = m.registry.Histogram(
		prefix+"end_to_end_latency_seconds",
		"From the commit in Postgres to the commit in the sink, in seconds, of each streamed event; by the clocks of two machines.",
		durations(0.001, 600),
	)
	m.gaps = m.registry.Counter(prefix+"gaps_total", "stream.gap events: parts of the WAL that were never seen.")
	m.quarantined = m.registry.Counter(prefix+"quarantined_total", "Events in the topic quarantine.")
	m.ignored = m.registry.Counter(prefix+"session_records_ignored_total",
		"Records of who makes a change that were ignored because they are not the server's: somebody forged them, the secret cannot be read, or a newer trigger wrote them.")
	m.lastExit = m.registry.Gauge(prefix+"last_emergency_exit_timestamp_seconds",
		"Commit time of the last emergency_exit.executed or .triggered that this process has seen, in seconds since 1970; 0 for none.")
}

// registerState makes the metrics that show the current state.
func (m *metrics) registerState() {
	m.committed = m.registry.Gauge(prefix+"committed_lsn_bytes", "Place in the WAL up to which everything is in the sink, in bytes from its beginning.")
	m.images = m.registry.Gauge(prefix+"images", "Rows whose last state is known.")
	m.imageBytes = m.registry.Gauge(prefix+"image_bytes", "Bytes of memory that the last states of all known rows take.")
	m.restarts = m.registry.Counters(prefix+"restarts_total", "Pipelines that ended with an error and were started again, by the part that failed.", "cause")
	for _, cause := range []string{causeSource, causeSink, causeFenced, causeOther} {
		m.restarts.With(cause)
	}
	m.fenced = m.registry.Counter(
		prefix+"fenced_total",
		"Pipelines that ended because a newer instance had taken the sink over, or a transaction had timed out.",
	)
	m.leader = m.registry.Gauge(prefix+"leader", "1 for the instance that reads from the slot, or that starts again after it did; 0 for a standby.")
	m.lagBytes = m.registry.Gauge(prefix+"replication_lag_bytes", "WAL that the server has written and the sink has not confirmed, in bytes.")
	m.lagSeconds = m.registry.Gauge(
		prefix+"replication_lag_seconds",
		"How long ago the server's WAL ended where the sink is now, in seconds. Up to 10 while nothing of interest happens: the checkpoint moves that often then.",
	)
	m.retained = m.registry.Gauge(prefix+"retained_wal_bytes", "WAL that the server keeps for the slot, in bytes.")
	m.loss = m.registry.Gauge(
		prefix+"slot_loss_seconds",
		"Estimate of the time until the server removes WAL that the slot needs (max_slot_wal_keep_size), in seconds, at the rate at which the retained WAL has grown during the last 5 minutes. +Inf without a limit or growth.",
	)
	m.loss.Set(math.Inf(1))
	m.missing = m.registry.Gauges(prefix+"table_missing", "1 while the publication does not bring the table.", "table")
	for _, table := range pg.Tables() {
		m.missing.With(table)
	}
}

// exponential returns n bounds, each by the same factor larger than the one before.
func exponential(from, to float64, n int) []float64 {
	factor, bounds := math.Pow(to/from, 1/float64(n-1)), make([]float64, n)
	for i := range bounds {
		bounds[i] = from * math.Pow(factor, float64(i))
	}
	return bounds
}

// durations returns the bounds of a histogram of seconds, four to a decade.
func durations(from, to float64) []float64 {
	n := int(math.Round(4*math.Log10(to/from))) + 1
	bounds := exponential(from, to, n)
	for i := range bounds {
		scale := math.Pow(10, math.Floor(math.Log10(bounds[i]))-1)
		bounds[i] = math.Round(math.Round(bounds[i]/scale)*scale*1e6) / 1e6
	}
	return bounds
}

const prefix = "lowcap_cdc_"

// observe counts a commit that ended at now.
func (m *metrics) observe(p cdc.Progress, now time.Time) {
	m.commits.Inc()
	m.images.Set(float64(p.Images))
	m.imageBytes.Set(float64(p.ImageBytes))
	if !p.Snapshot {
		m.committed.Set(float64(p.Checkpoint.LSN))
	}
	if len(p.Events) > 0 {
		m.batch.Observe(float64(len(p.Events)))
	}
	bytes, types := 0, make(map[schemas.Type]int)
	var at time.Time // of the transaction that the event before belongs to
	for i := range p.Events {
		e := &p.Events[i]
		bytes += len(e.Value)
		types[e.Type]++
		if i == 0 || e.Time != p.Events[i-1].Time {
			at, _ = time.Parse(time.RFC3339Nano, e.Time) // our own spelling
		}
		m.observeEvent(e, at, now)
	}
	m.bytes.Add(float64(bytes))
	for t, n := range types {
		m.observeType(t, float64(n))
	}
}

// observeType counts the events of a type in a commit.
func (m *metrics) observeType(t schemas.Type, n float64) {
	topic := schemas.TopicOf(t)
	m.events.With(string(t), topic).Add(n)
	if topic == schemas.Quarantine {
		m.quarantined.Add(n)
	}
	if t == (*schemas.StreamGap)(nil).Type() {
		m.gaps.Add(n)
	}
}

func (m *metrics) observeEvent(e *cdc.Event, at, now time.Time) {
	if lsn, streamed := e.Place(); streamed {
		m.latency.Observe(max(0, now.Sub(at).Seconds()))
		if lsn != m.lastLSN {
			m.lastLSN = lsn
			m.transactions.Inc()
		}
	}
	switch e.Type {
	case (*schemas.EmergencyExitExecuted)(nil).Type(), (*schemas.EmergencyExitTriggered)(nil).Type():
		m.lastExit.Set(float64(at.UnixMicro()) / 1e6)
	}
}

// inspected records what the server says of the slot.
func (m *metrics) inspected(s *pg.Inspection, t *trend) {
	m.lagBytes.Set(float64(s.Behind()))
	m.lagSeconds.Set(t.lag().Seconds())
	m.retained.Set(float64(s.Retained))
	m.loss.Set(t.loss())
	for _, table := range pg.Tables() {
		m.missing.With(table).Set(0)
	}
	for _, table := range s.Missing {
		m.missing.With(table).Set(1)
	}
}
