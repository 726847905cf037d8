package monitor

import (
	"math"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
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
	registry *prometheus.Registry

	events       *prometheus.CounterVec
	commits      prometheus.Counter
	transactions prometheus.Counter
	bytes        prometheus.Counter
	batch        prometheus.Histogram
	commit       prometheus.Histogram
	latency      prometheus.Histogram
	gaps         prometheus.Counter
	quarantined  prometheus.Counter
	lastExit     prometheus.Gauge
	committed    prometheus.Gauge
	images       prometheus.Gauge
	imageBytes   prometheus.Gauge

	restarts *prometheus.CounterVec
	fenced   prometheus.Counter
	leader   prometheus.Gauge

	lagBytes   prometheus.Gauge
	lagSeconds prometheus.Gauge
	retained   prometheus.Gauge
	loss       prometheus.Gauge
	missing    *prometheus.GaugeVec

	lastLSN string // the newest transaction that was counted
}

func newMetrics(version string, progress func() float64) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.registerFlow()
	m.registerState()
	m.register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "lowcap_cdc_last_progress_timestamp_seconds",
		Help: "When the pipeline last read a message or finished a commit, in seconds since 1970; 0 before that. Unlike a commit it also moves while nothing happens."}, progress))
	build := m.gaugeVec("build_info", "1, with the version of lowcap-cdc and of Go.", "version", "go")
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.register(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// registerFlow makes the metrics that count events.
func (m *metrics) registerFlow() {
	m.events = m.counterVec("events_total", "Events committed to the sink, by type and by topic without its prefix.", "type", "topic")
	for _, k := range schemas.Kinds() {
		m.events.WithLabelValues(string(k.Type), k.Topic)
	}
	m.commits = m.counter("commits_total", "Batches committed to the sink, with events or only with a new checkpoint.")
	m.transactions = m.counter(
		"transactions_total",
		"Postgres transactions whose events were committed to the sink; those without events are not counted.",
	)
	m.bytes = m.counter("event_bytes_total", "Bytes of the events committed to the sink, before compression.")
	m.batch = m.histogram("batch_events", "Events in a commit.", prometheus.ExponentialBucketsRange(1, 10000, 9))
	m.commit = m.histogram("commit_duration_seconds", "How long the sink took to make a batch durable, in seconds.", durations(0.0005, 60))
	m.latency = m.histogram(
		"end_to_end_latency_seconds",
		"From the commit in Postgres to the commit in the sink, in seconds, of each streamed event; by the clocks of two machines.",
		durations(0.001, 600),
	)
	m.gaps = m.counter("gaps_total", "stream.gap events: parts of the WAL that were never seen.")
	m.quarantined = m.counter("quarantined_total", "Events in the topic quarantine.")
	m.lastExit = m.gauge("last_emergency_exit_timestamp_seconds",
		"Commit time of the last emergency_exit.executed or .triggered that this process has seen, in seconds since 1970; 0 for none.")
}

// registerState makes the metrics that show the current state.
func (m *metrics) registerState() {
	m.committed = m.gauge("committed_lsn_bytes", "Place in the WAL up to which everything is in the sink, in bytes from its beginning.")
	m.images = m.gauge("images", "Rows whose last state is known.")
	m.imageBytes = m.gauge("image_bytes", "Bytes of memory that the last states of all known rows take.")
	m.restarts = m.counterVec("restarts_total", "Pipelines that ended with an error and were started again, by the part that failed.", "cause")
	for _, cause := range []string{causeSource, causeSink, causeFenced, causeOther} {
		m.restarts.WithLabelValues(cause)
	}
	m.fenced = m.counter(
		"fenced_total",
		"Pipelines that ended because a newer instance had taken the sink over, or a transaction had timed out.",
	)
	m.leader = m.gauge("leader", "1 for the instance that reads from the slot, or that starts again after it did; 0 for a standby.")
	m.lagBytes = m.gauge("replication_lag_bytes", "WAL that the server has written and the sink has not confirmed, in bytes.")
	m.lagSeconds = m.gauge(
		"replication_lag_seconds",
		"How long ago the server's WAL ended where the sink is now, in seconds. Up to 10 while nothing of interest happens: the checkpoint moves that often then.",
	)
	m.retained = m.gauge("retained_wal_bytes", "WAL that the server keeps for the slot, in bytes.")
	m.loss = m.gauge(
		"slot_loss_seconds",
		"Estimate of the time until the server removes WAL that the slot needs (max_slot_wal_keep_size), in seconds, at the rate at which the retained WAL has grown during the last 5 minutes. +Inf without a limit or growth.",
	)
	m.loss.Set(math.Inf(1))
	m.missing = m.gaugeVec("table_missing", "1 while the publication does not bring the table.", "table")
	for _, table := range pg.Tables() {
		m.missing.WithLabelValues(table)
	}
}

// durations returns the bounds of a histogram of seconds, four to a decade.
func durations(from, to float64) []float64 {
	n := int(math.Round(4*math.Log10(to/from))) + 1
	bounds := prometheus.ExponentialBucketsRange(from, to, n)
	for i := range bounds {
		scale := math.Pow(10, math.Floor(math.Log10(bounds[i]))-1)
		bounds[i] = math.Round(math.Round(bounds[i]/scale)*scale*1e6) / 1e6
	}
	return bounds
}

func (m *metrics) register(c ...prometheus.Collector) { m.registry.MustRegister(c...) }

const prefix = "lowcap_cdc_"

func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	m.register(c)
	return c
}

func (m *metrics) counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	m.register(c)
	return c
}

func (m *metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	m.register(g)
	return g
}

func (m *metrics) gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels)
	m.register(g)
	return g
}

func (m *metrics) histogram(name, help string, bounds []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: bounds})
	m.register(h)
	return h
}

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
	m.events.WithLabelValues(string(t), topic).Add(n)
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
		m.missing.WithLabelValues(table).Set(0)
	}
	for _, table := range s.Missing {
		m.missing.WithLabelValues(table).Set(1)
	}
}
