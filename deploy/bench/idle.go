package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	idleName      = "idle"
	idlePositions = 10000
)

// idle is what a sidecar takes that knows many positions and has nothing to do.
type idle struct {
	Contender string  `json:"contender"`
	Images    int     `json:"images"`
	StartMS   float64 `json:"start_to_streaming_ms"`
	RSS       int64   `json:"idle_rss_bytes"`
	PeakRSS   int64   `json:"peak_rss_bytes"` // reading the state back included
}

// idle starts the sidecar with 10,000 images in its sink, several times.
func (s *servers) idle(ctx context.Context, o options) (_ []idle, err error) {
	const database = "bench_idle"
	conn, err := s.postgres.CreateSource(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.drop(context.WithoutCancel(ctx), conn, database)) }()
	positions := max(20, int(idlePositions*o.scale))
	seed := seedDocuments(positions, func(i int) string { return features(uint64(i), 1<<10, trimmed(1+i%3)) })
	if err := seed(ctx, conn); err != nil {
		return nil, err
	}
	var all []idle
	for _, kind := range []string{"file", "kafka"} {
		l := &lane{servers: s, binary: o.binary, database: database, kind: kind, slot: database + "_" + kind}
		if err := l.prepare(ctx, conn); err != nil {
			return nil, err
		}
		for range o.runs {
			one, err := l.idle(ctx, conn, positions)
			if err != nil {
				return nil, err
			}
			progress("idle: %s %.0f ms to streaming, RSS %d MB", kind, one.StartMS, one.RSS>>20)
			all = append(all, one)
		}
		if err := l.close(ctx, conn); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *lane) idle(ctx context.Context, conn *pgx.Conn, images int) (idle, error) {
	one := idle{Contender: l.kind, Images: images}
	cmd := l.sidecar(ctx, "FFFFFFFF/FFFFFFFF")
	start := time.Now()
	if err := startBound(cmd); err != nil {
		return one, err
	}
	if err := l.streaming(ctx, conn); err != nil {
		return one, err
	}
	one.StartMS = float64(time.Since(start).Microseconds()) / 1000
	watch := watcher{conn: conn, slot: l.slot, pid: cmd.Process.Pid}
	settled := time.NewTimer(3 * time.Second) // what starting needed is given back by then, if ever
	select {
	case <-settled.C:
	case <-ctx.Done():
	}
	watch.sample(ctx)
	one.RSS, one.PeakRSS = watch.resident, watch.peak
	if err := stopped(cmd); err != nil {
		return one, err
	}
	return one, ctx.Err()
}
