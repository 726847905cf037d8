package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// idleSizes are how many positions are known to a sidecar that has nothing to do, and how often it is started at most.
var idleSizes = []idleSize{{"idle", 10000, 5}, {"idle-100k", 100000, 3}, {"idle-1m", 1000000, 1}}

type idleSize struct {
	name      string
	positions int
	starts    int
}

// idle is what a sidecar takes that knows many positions and has nothing to do.
type idle struct {
	Contender string  `json:"contender"`
	Images    int     `json:"images"`
	StartMS   float64 `json:"start_to_streaming_ms"`
	RSS       int64   `json:"idle_rss_bytes"`
	PeakRSS   int64   `json:"peak_rss_bytes"` // reading the state back included
}

// idle starts the sidecar with many images in its sink, several times.
func (s *servers) idle(ctx context.Context, o options, size idleSize) (_ []idle, err error) {
	database := "bench_" + strings.ReplaceAll(size.name, "-", "_")
	conn, err := s.postgres.CreateSource(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.drop(context.WithoutCancel(ctx), conn, database)) }()
	positions := max(20, int(float64(size.positions)*min(1, 10*o.scale))) // only a very small scale makes these smaller
	progress("%s: preparing %d positions", size.name, positions)
	if err := seedMany(ctx, conn, positions); err != nil {
		return nil, err
	}
	var all []idle
	for _, kind := range []string{"file", "kafka"} {
		l := &lane{servers: s, binary: o.binary, database: database, kind: kind, slot: database + "_" + kind}
		if err := l.prepare(ctx, conn); err != nil {
			return nil, err
		}
		for range min(o.runs, size.starts) {
			one, err := l.idle(ctx, conn, positions)
			if err != nil {
				return nil, err
			}
			progress("%s: %s %.0f ms to streaming, RSS %d MB", size.name, kind, one.StartMS, one.RSS>>20)
			all = append(all, one)
		}
		if err := l.close(ctx, conn); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// seedMany makes positions of a hundred different documents, in one statement.
func seedMany(ctx context.Context, conn *pgx.Conn, positions int) error {
	documents := make([]string, 100)
	for i := range documents {
		documents[i] = features(uint64(i), 1<<10, trimmed(1+i%3))
	}
	_, err := conn.Exec(ctx, `insert into lowcap_positions (id, token_chain, token_contract, token_ticker, timeframe, status, features)
		select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'solana', md5(n::text) || 'pump', 'TKN', '1h', 'active',
			(($1::text[])[1 + n % 100])::jsonb from generate_series(0, $2::int - 1) n`, documents, positions)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return execAll(ctx, conn, `vacuum analyze lowcap_positions`)
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
