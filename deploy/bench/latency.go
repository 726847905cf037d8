package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/schemas"
)

// latency is what a reader of committed records saw at one rate of changes.
type latency struct {
	Rate    int `json:"changes_per_second"`
	Written int `json:"written"`
	Read    int `json:"read"`
	usage
	millis  []float64 // sorted: from the commit, by the database's clock, to the reader
	P50     float64   `json:"p50_ms"`
	P99     float64   `json:"p99_ms"`
	P999    float64   `json:"p999_ms"`
	Write50 float64   `json:"write_p50_ms"` // of the writers' transactions, which hold the flush of the WAL
	Write99 float64   `json:"write_p99_ms"`
}

// at returns a quantile, in milliseconds.
func (l *latency) at(quantile float64) float64 { return quantileOf(l.millis, quantile) }

func quantileOf(sorted []float64, quantile float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[int(quantile*float64(len(sorted)-1))]
}

// latency measures each rate with a sidecar of its own: every change is one event.
func (s *servers) latency(ctx context.Context, o options) (_ []latency, err error) {
	const database = "bench_latency"
	conn, err := s.postgres.CreateSource(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.drop(context.WithoutCancel(ctx), conn, database)) }()
	if err := seedBlocks(4)(ctx, conn); err != nil {
		return nil, err
	}
	at := func(rate int, name string, lasting time.Duration) (latency, error) {
		l := &lane{servers: s, binary: o.binary, database: database, kind: "kafka", slot: fmt.Sprintf("%s_%s_%d", database, name, rate)}
		one, err := l.latencyAt(ctx, conn, rate, lasting)
		if err != nil {
			err = fmt.Errorf("%d changes a second: %w", rate, err)
		}
		return one, err
	}
	// A broker that has just started interprets its code, and compiles it on the cores that are measured.
	for _, rate := range o.rates[max(0, len(o.rates)-2):] {
		if _, err := at(rate, "warm", o.seconds/2); err != nil {
			return nil, err
		}
	}
	var all []latency
	for _, rate := range o.rates {
		one, err := at(rate, "at", o.seconds)
		if err != nil {
			return nil, err
		}
		progress("latency at %d/s: p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms", rate, one.P50, one.P99, one.P999)
		all = append(all, one)
	}
	return all, nil
}

func (l *lane) latencyAt(ctx context.Context, conn *pgx.Conn, rate int, lasting time.Duration) (_ latency, err error) {
	if err := l.prepare(ctx, conn); err != nil {
		return latency{}, err
	}
	defer func() { err = errors.Join(err, l.close(context.WithoutCancel(ctx), conn)) }()
	cmd := l.sidecar(ctx, "FFFFFFFF/FFFFFFFF")
	if err := startBound(cmd); err != nil {
		return latency{}, err
	}
	defer stopped(cmd) //nolint:errcheck // it has ended where that matters
	if err := l.streaming(ctx, conn); err != nil {
		return latency{}, err
	}
	r := latencyReader{l: l, started: time.Now()}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- r.read(reading) }()
	written, err := l.write(ctx, rate, lasting)
	if err != nil {
		return latency{}, err
	}
	watch := watcher{conn: conn, slot: l.slot, pid: cmd.Process.Pid}
	if err := r.wait(ctx, written.rows); err != nil {
		return latency{}, err
	}
	watch.sample(ctx)
	stop()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		return latency{}, err
	}
	if err := stopped(cmd); err != nil {
		return latency{}, err
	}
	slices.Sort(r.millis)
	slices.Sort(written.millis)
	one := latency{Rate: rate, Written: written.rows, Read: len(r.millis), millis: r.millis}
	one.CPU, one.PeakRSS = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), watch.peak
	one.P50, one.P99, one.P999 = one.at(0.5), one.at(0.99), one.at(0.999)
	one.Write50, one.Write99 = quantileOf(written.millis, 0.5), quantileOf(written.millis, 0.99)
	return one, nil
}

// streaming waits until the sidecar reads from its slot.
func (l *lane) streaming(ctx context.Context, conn *pgx.Conn) error {
	return poll(ctx, 30*time.Second, func() (streams bool, err error) {
		err = conn.QueryRow(ctx, `select exists (select 1 from pg_replication_slots s join pg_stat_replication r on r.pid = s.active_pid
			where s.slot_name = $1 and r.state = 'streaming')`, l.slot).Scan(&streams)
		return streams, err
	})
}

func poll(ctx context.Context, within time.Duration, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := is(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// latencyReader reads committed events as they come.
type latencyReader struct {
	l       *lane
	started time.Time
	millis  []float64
	seen    atomic.Int64
}

func (r *latencyReader) read(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.l.servers.kafka.Addr()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeTopics(r.l.prefix()+schemas.EntryBlocks), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		now := time.Now()
		fetches.EachRecord(func(record *kgo.Record) {
			if at := commitTime(record); at.After(r.started) {
				r.millis = append(r.millis, float64(now.Sub(at).Microseconds())/1000)
			}
		})
		r.seen.Store(int64(len(r.millis)))
	}
}

// commitTime returns the time attribute of an event, zero when it has none.
func commitTime(record *kgo.Record) time.Time {
	for _, h := range record.Headers {
		if h.Key == "ce_time" {
			at, _ := time.Parse(time.RFC3339Nano, string(h.Value))
			return at
		}
	}
	return time.Time{}
}

// wait waits until everything that was written was read.
func (r *latencyReader) wait(ctx context.Context, written int) error {
	err := poll(ctx, 30*time.Second, func() (bool, error) { return int(r.seen.Load()) >= written, nil })
	if err != nil {
		return fmt.Errorf("%d of %d events were read: %w", r.seen.Load(), written, err)
	}
	return nil
}
