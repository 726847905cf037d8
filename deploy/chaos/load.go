package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/deploy/lab"
)

const (
	writers    = 3    // at once, usually
	hugeFirst  = 400  // writes of the first lane before its first huge transaction
	hugeEvery  = 3000 // and between two of them
	hugeTokens = 5000 // 15,000 events, more than a batch holds
)

// loading is the source at work: several writers that survive every crash of the database.
type loading struct {
	cancel context.CancelFunc
	lanes  sync.WaitGroup
	writes atomic.Int64
	mu     sync.Mutex
	errs   []error
}

func startLoad(ctx context.Context, w *world, lanes int) (*loading, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &loading{cancel: cancel}
	for lane := range lanes {
		l.lanes.Go(func() {
			if err := l.lane(ctx, w, lane, lanes); err != nil {
				l.mu.Lock()
				l.errs = append(l.errs, err)
				l.mu.Unlock()
			}
		})
	}
	return l, nil
}

// lane writes at its share of the rate.
func (l *loading) lane(ctx context.Context, w *world, lane, lanes int) error {
	load := lab.NewLoad(w.options.seed + uint64(lane))
	ticker := time.NewTicker(time.Second * time.Duration(lanes) / time.Duration(w.options.rate))
	defer ticker.Stop()
	var conn *pgx.Conn
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			if conn != nil {
				return conn.Close(context.WithoutCancel(ctx))
			}
			return nil
		case <-ticker.C:
		}
		err := l.write(ctx, w, &conn, func(conn *pgx.Conn) error {
			err := load.Write(context.WithoutCancel(ctx), conn)
			if err == nil && lane == 0 && n%hugeEvery == hugeFirst {
				err = load.WriteHuge(context.WithoutCancel(ctx), conn, hugeTokens)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
}

// write writes once, on a connection that is made anew where there is none. The database may be down: then nothing is written.
func (l *loading) write(ctx context.Context, w *world, conn **pgx.Conn, what func(*pgx.Conn) error) error {
	w.gate.RLock()
	defer w.gate.RUnlock()
	if *conn == nil {
		*conn, _ = pgx.Connect(ctx, w.postgres.DSN(w.database)) // at the next tick again
		return nil
	}
	err := what(*conn)
	if err == nil {
		l.writes.Add(1)
		return nil
	}
	if !lostConnection(err) {
		return err
	}
	(*conn).Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is lost
	*conn = nil
	return nil
}

// lostConnection reports whether the server went away. Whether it had committed is then not known, and does not matter:
// the log table was written in the same transaction.
func lostConnection(err error) bool {
	var server *pgconn.PgError
	return !errors.As(err, &server) || server.Code[:2] == "57"
}

// stop ends the writers.
func (l *loading) stop() (writes int64, err error) {
	l.cancel()
	l.lanes.Wait()
	return l.writes.Load(), errors.Join(l.errs...)
}
