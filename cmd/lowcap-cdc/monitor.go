package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
)

// monitor counts what the pipelines do and serves it, when an address is given.
type monitor struct {
	registry  *prometheus.Registry
	events    *prometheus.CounterVec
	batches   prometheus.Counter
	restarts  prometheus.Counter
	lsn       prometheus.Gauge
	images    prometheus.Gauge
	committed atomic.Int64
	streaming atomic.Bool
	standby   atomic.Bool
	server    *http.Server
}

func startMonitor(address string, log zerolog.Logger) (*monitor, error) {
	m := &monitor{
		registry: prometheus.NewRegistry(),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lowcap_cdc_events_total",
			Help: "Events committed to the sink, by type."}, []string{"type"}),
		batches: prometheus.NewCounter(prometheus.CounterOpts{Name: "lowcap_cdc_commits_total",
			Help: "Batches committed to the sink."}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{Name: "lowcap_cdc_restarts_total",
			Help: "Pipelines that ended with an error and were started again."}),
		lsn: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lowcap_cdc_committed_lsn_bytes",
			Help: "Place in the WAL up to which everything is in the sink, in bytes from its beginning."}),
		images: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lowcap_cdc_images",
			Help: "Rows whose last state is known."}),
	}
	m.registry.MustRegister(m.events, m.batches, m.restarts, m.lsn, m.images)
	if address == "" {
		return m, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &usageError{fmt.Errorf("serve --http: %w", err)}
	}
	m.server = &http.Server{Handler: m.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("http server ended")
		}
	}()
	return m, nil
}

func (m *monitor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case m.standby.Load():
			http.Error(w, "standby: another instance uses the slot", http.StatusServiceUnavailable)
		case !m.ready():
			http.Error(w, "starting", http.StatusServiceUnavailable)
		default:
			fmt.Fprintln(w, "streaming")
		}
	})
	return mux
}

func (m *monitor) observe(p cdc.Progress) {
	m.committed.Add(1)
	m.batches.Inc()
	m.images.Set(float64(p.Images))
	for _, e := range p.Events {
		m.events.WithLabelValues(string(e.Type)).Inc()
	}
	if !p.Snapshot {
		m.lsn.Set(float64(p.Checkpoint.LSN))
		m.streaming.Store(true)
	}
}

func (m *monitor) commits() int64    { return m.committed.Load() }
func (m *monitor) ready() bool       { return m.streaming.Load() }
func (m *monitor) setStandby(v bool) { m.standby.Store(v) }

func (m *monitor) restarted() {
	m.restarts.Inc()
	m.streaming.Store(false)
}

func (m *monitor) close() {
	if m.server != nil {
		m.server.Close() //nolint:errcheck // the process ends
	}
}
