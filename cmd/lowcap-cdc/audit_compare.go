package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/metric"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

type auditCompareCommand struct {
	Patience time.Duration `help:"How long the sink may take to pass the moment that is looked at." default:"60s"`
	Every    time.Duration `help:"Go on, and compare this often; without it once." placeholder:"1h"`
	Metrics  string        `help:"With --every: serve /metrics here; :9188 serves this machine only, 0.0.0.0:9188 everybody." placeholder:"ADDR"`
	JSON     bool          `help:"Print the outcome as JSON." name:"json"`
}

// Run compares, once or until it is told to stop.
func (c *auditCompareCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if s.Postgres == "" {
		return settings.Usage(errors.New("no database given; set --postgres or LOWCAP_CDC_POSTGRES"))
	}
	if c.Metrics != "" && c.Every == 0 {
		return settings.Usage(errors.New("--metrics is for --every: a single comparison ends before anybody could look"))
	}
	if c.Every != 0 && c.Every < shortestEvery {
		return settings.Usage(fmt.Errorf("--every %s is shorter than %s", c.Every, shortestEvery))
	}
	if c.Patience < 0 {
		return settings.Usage(fmt.Errorf("--patience %s is in the past", c.Patience))
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	comparer := &audit.Comparer{Source: s.Source(), Reader: reader, Patience: c.Patience}
	if settings.IsTerminal(std.Err) {
		comparer.Progress = func(what string, n, of int) { fmt.Fprintf(std.Err, "\r%s %d of %d %s\x1b[K", bar(n, of), n, of, what) }
	}
	if c.Every == 0 {
		return c.once(ctx, comparer, std)
	}
	return c.again(ctx, comparer, std, s.Logger(std.Err))
}

const barWidth = 30 // characters

// bar draws how much of something is done.
func bar(n, of int) string {
	done := barWidth
	if of > 0 {
		done = barWidth * n / of
	}
	return "[" + strings.Repeat("#", done) + strings.Repeat(".", barWidth-done) + "]"
}

func (c *auditCompareCommand) once(ctx context.Context, comparer *audit.Comparer, std *settings.Streams) error {
	compared, err := comparer.Compare(ctx)
	if comparer.Progress != nil {
		fmt.Fprintf(std.Err, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if err := compared.Print(std.Out, c.JSON); err != nil {
		return err
	}
	if compared.Count > 0 {
		return audit.ErrDiffers
	}
	return nil
}

// again compares every so often. Differences are told by log and metric, and it continues: they may be repaired.
func (c *auditCompareCommand) again(ctx context.Context, comparer *audit.Comparer, std *settings.Streams, log zerolog.Logger) error {
	m := newCompareMetrics()
	if c.Metrics != "" {
		stop, err := m.serve(c.Metrics)
		if err != nil {
			return settings.Usage(fmt.Errorf("--metrics: %w", err))
		}
		defer stop()
	}
	for {
		compared, err := comparer.Compare(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && settings.IsPermanent(err):
			return err
		case err != nil:
			m.failures.Inc()
			log.Warn().Err(err).Stringer("retry_in", c.Every).Msg("not compared; trying again")
		default:
			m.note(compared)
			if err := compared.Print(std.Out, c.JSON); err != nil {
				return err
			}
			if compared.Count > 0 {
				log.Error().Int("differences", compared.Count).Str("lsn", compared.LSN).Msg("the events do not tell what the tables hold")
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.Every):
		}
	}
}

// compareMetrics are what a comparer that continues says of itself.
type compareMetrics struct {
	registry    metric.Registry
	differences *metric.Gauge
	last        *metric.Gauge
	failures    *metric.Counter
}

func newCompareMetrics() *compareMetrics {
	m := &compareMetrics{}
	m.differences = m.registry.Gauge("lowcap_cdc_compare_differences",
		"Differences that the last comparison found between the events and the tables.")
	m.last = m.registry.Gauge("lowcap_cdc_compare_last_timestamp_seconds", "When the last comparison came to its end; 0 before the first.")
	m.failures = m.registry.Counter("lowcap_cdc_compare_failures_total", "Comparisons that could not be made.")
	return m
}

func (m *compareMetrics) note(c *audit.Compared) {
	m.differences.Set(float64(c.Count))
	m.last.Set(float64(time.Now().UnixMicro()) / 1e6)
}

// serve serves the metrics until stop is called. An address without a host is this machine's own.
func (m *compareMetrics) serve(address string) (stop func(), err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.registry.Handler(4))
	server := &http.Server{
		Handler:        mux,
		ReadTimeout:    10 * time.Second,
		WriteTimeout:   10 * time.Second,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 8 << 10,
	}
	ended := make(chan struct{})
	go func() { defer close(ended); server.Serve(listener) }() //nolint:errcheck // it ends when it is closed
	return func() { server.Close(); <-ended }, nil             //nolint:errcheck // nobody waits for an answer any more
}
