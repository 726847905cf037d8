package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	latencyName    = "latency"
	latencyTLSName = "latency-tls"
)

// latency is what a reader of committed records saw of one contender at one rate of changes.
type latency struct {
	Contender string `json:"contender"`
	TLS       bool   `json:"tls"`
	Rate      int    `json:"changes_per_second"`
	Turns     int    `json:"turns"`
	Written   int    `json:"written"`
	Read      int    `json:"read"`
	usage
	millis  []float64 // from the commit, by the database's clock, to the reader
	writes  []float64 // of the writers' transactions
	P50     float64   `json:"p50_ms"`
	P99     float64   `json:"p99_ms"`
	P999    float64   `json:"p999_ms"`
	Max     float64   `json:"max_ms"`
	Write50 float64   `json:"write_p50_ms"` // of the writers' transactions, which hold the flush of the WAL
	Write99 float64   `json:"write_p99_ms"`
}

// latencies measures every contender: the bare producers, the sidecar, and without TLS the rivals. Every change is one event.
func (s *servers) latencies(ctx context.Context, o options, tls bool) (all []latency, highest []saturation, err error) {
	database := "bench_latency"
	if tls {
		database += "_tls"
	}
	conn, err := s.postgres.CreateSource(ctx, database)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.drop(context.WithoutCancel(ctx), conn, database)) }()
	if err := publish(ctx, conn, o.contenders); err != nil {
		return nil, nil, err
	}
	if err := seedBlocks(writers)(ctx, conn); err != nil {
		return nil, nil, err
	}
	lanes, err := s.latencyLanes(o, database, tls)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range lanes {
		some, top, err := l.latencies(ctx, conn, o)
		if all = gather(all, some); top != nil {
			highest = append(highest, *top)
		}
		if err != nil && !l.isOurs() && ctx.Err() == nil {
			progress("latency: %s is left out: %.500v", l.kind, err) // another one's trouble is not ours
		} else if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", l.kind, err)
		}
	}
	for i := range all {
		all[i].settle()
	}
	return all, highest, nil
}

// publishers returns whose latency is measured.
func (o options) publishers(tls bool) ([]rival, error) {
	all := []rival{{name: bareFranz}, {name: bareJava}}
	if slices.Contains(o.contenders, "kafka") {
		all = append(all, rival{name: "kafka"})
	}
	rivals, err := o.rivalCommands(latencyName)
	if err != nil || tls {
		return all, err
	}
	return append(all, rivals...), nil
}

// latencies measures one contender at each rate, and looks for the highest rate that it bears.
func (l *lane) latencies(ctx context.Context, conn *pgx.Conn, o options) (all []latency, top *saturation, err error) {
	p, err := l.publish(ctx, conn)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, p.stop(), l.close(context.WithoutCancel(ctx), conn)) }()
	r, err := l.follow(ctx, conn, p)
	if err != nil {
		return nil, nil, err
	}
	defer r.stop()
	// A program or a broker that has just started interprets its code, and compiles it on the cores that are measured.
	for _, rate := range []int{o.rates[len(o.rates)-1], firstProbe} {
		if _, err := l.latencyAt(ctx, conn, p, r, rate, o.seconds/2); err != nil {
			return nil, nil, err
		}
	}
	for i, rate := range o.rates {
		lasting := o.seconds / time.Duration(o.latencyTurns(l.command))
		if i == 0 {
			lasting *= 3 // few changes say little
		}
		one, err := l.latencyAt(ctx, conn, p, r, rate, lasting)
		if err != nil {
			return all, nil, fmt.Errorf("%d changes a second: %w", rate, err)
		}
		progress("latency of %s at %d/s: p50 %.1f ms, p99 %.1f ms, max %.1f ms", l.kind, rate, one.P50, one.P99, one.Max)
		all = append(all, one)
	}
	if l.tls || l.turn > 0 {
		return all, nil, nil
	}
	top, err = l.saturate(ctx, conn, p, r, o)
	return all, top, err
}

// publisher is what publishes while the database is written.
type publisher struct {
	pid       int                          // 0 for a part of this program
	committed func(at time.Time, rows int) // is told what was written, and when by the database's clock; nil where the WAL tells
	stop      func() error
}

// publish starts the lane's contender and waits until it would publish a change at once.
func (l *lane) publish(ctx context.Context, conn *pgx.Conn) (*publisher, error) {
	switch l.kind {
	case bareFranz:
		return l.bareFranz(ctx)
	case bareJava:
		return l.bareJava(ctx)
	}
	if err := l.prepare(ctx, conn); err != nil {
		return nil, err
	}
	cmd := l.sidecar(ctx, "FFFFFFFF/FFFFFFFF")
	if !l.isOurs() {
		cmd = l.rival(ctx)
	}
	if err := startBound(cmd); err != nil {
		return nil, err
	}
	p := &publisher{pid: cmd.Process.Pid, stop: func() error {
		err := stopped(cmd)
		if l.isOurs() {
			return err
		}
		return nil // a Java program that was told to end says 143
	}}
	if err := l.streaming(ctx, conn); err != nil {
		return nil, errors.Join(err, p.stop(), l.close(context.WithoutCancel(ctx), conn))
	}
	return p, nil
}

// follow makes a first change and returns a reader that has seen it.
func (l *lane) follow(ctx context.Context, conn *pgx.Conn, p *publisher) (*latencyReader, error) {
	if _, err := l.write(ctx, 1000, 10*time.Millisecond, p.committed); err != nil {
		return nil, err
	}
	var topics []string
	err := poll(ctx, time.Minute, func() (_ bool, err error) {
		topics, err = l.topics(ctx)
		return len(topics) > 0, err
	})
	if err != nil {
		return nil, fmt.Errorf("wait for its topics: %w", err)
	}
	client, err := kgo.NewClient(append(l.client(), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		return nil, err
	}
	reading, cancel := context.WithCancel(ctx)
	r := &latencyReader{client: client, wake: cancel, done: make(chan struct{})}
	go r.read(reading)
	if err := r.wait(ctx, 1, time.Minute); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// latencyAt writes at one rate, and waits until all of it was read.
func (l *lane) latencyAt(ctx context.Context, conn *pgx.Conn, p *publisher, r *latencyReader, rate int, lasting time.Duration) (latency, error) {
	r.reset()
	before := used(p.pid)
	written, err := l.write(ctx, rate, lasting, p.committed)
	if err != nil {
		return latency{}, err
	}
	if written.rows == 0 {
		return latency{}, fmt.Errorf("at %d changes a second nothing was written in %v", rate, lasting)
	}
	if err := r.wait(ctx, written.rows, lasting+drainTimeout); err != nil {
		return latency{}, err
	}
	one := latency{Contender: l.kind, TLS: l.tls, Rate: rate, Turns: 1, Written: written.rows}
	one.Seconds = written.took.Seconds()
	if p.pid != 0 {
		watch := watcher{conn: conn, slot: l.slot, pid: p.pid}
		watch.sample(ctx)
		one.CPU, one.PeakRSS = used(p.pid)-before, watch.peak
	}
	one.millis, one.writes = r.taken(), written.millis
	one.settle()
	return one, nil
}

// drainTimeout is how long the last of what was written may take to the reader.
const drainTimeout = time.Minute

// streaming waits until the contender reads from its slot. A Java machine takes its time.
func (l *lane) streaming(ctx context.Context, conn *pgx.Conn) error {
	return poll(ctx, 2*time.Minute, func() (streams bool, err error) {
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
