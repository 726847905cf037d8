package main

import (
	"context"
	"crypto/md5" // the tokens' names are made by Postgres' md5
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// writers is how many connections change rows: each commit waits for the disk, and one alone would not keep up.
const writers = 4

// write changes rows at a rate: one a transaction up to 1,000 a second, and above that 1,000 transactions a second.
// committed, where it is not nil, is told of each transaction when it is over: when it was, by the database's clock, and its rows.
func (l *lane) write(ctx context.Context, rate int, lasting time.Duration, committed func(time.Time, int)) (all writing, err error) {
	var group sync.WaitGroup
	each, errs := make([]writing, writers), make([]error, writers)
	start := time.Now()
	for i := range writers {
		group.Go(func() { each[i], errs[i] = l.writeOne(ctx, i, rate, lasting, committed) })
	}
	group.Wait()
	all.took = time.Since(start)
	for _, w := range each {
		all.rows += w.rows
		all.millis = append(all.millis, w.millis...)
	}
	return all, errors.Join(errs...)
}

// writing is what was written, and how long each transaction took its writer: most of it is the flush of the WAL, which
// nobody can read before.
type writing struct {
	rows   int
	took   time.Duration
	millis []float64
}

// changeSQL changes rows, and says how many and when. The time is taken when all are changed, and what follows is the commit: only
// microseconds lie between it and the time that the WAL has for that, and the flush of the WAL lies behind both. So whoever is told by
// the writer counts from the same moment of the same clock as whoever reads the WAL. The time in the rows is of the
// statement, for a rival that does not publish that of the commit.
const changeSQL = `with changed as (update token_timeframe_blocks set last_s1_failure_ts = $1, updated_at = clock_timestamp()
	where token_chain = 'solana' and timeframe = $2 and book_id = 'onchain_crypto' and token_contract = any($3) returning 1)
	select count(*), clock_timestamp() from changed`

// writeOne writes every writers-th transaction, in the set of blocks that is its own.
func (l *lane) writeOne(ctx context.Context, writer, rate int, lasting time.Duration, committed func(time.Time, int)) (written writing, err error) {
	conn, err := pgx.Connect(ctx, l.servers.postgres.DSN(l.database))
	if err != nil {
		return written, err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
	rows := max(1, rate/1000)
	every := time.Second / time.Duration(rate/rows)
	start := time.Now()
	for n := writer; ; n += writers {
		due := time.Duration(n) * every
		if due >= lasting {
			return written, nil
		}
		select {
		case <-ctx.Done():
			return written, ctx.Err()
		case <-time.After(time.Until(start.Add(due))):
		}
		begun := time.Now()
		var updated int
		var at time.Time
		row := conn.QueryRow(ctx, changeSQL, start.Add(due), fmt.Sprintf("t%d", writer), contracts(n/writers, rows))
		if err := row.Scan(&updated, &at); err != nil {
			return written, err
		}
		written.rows += updated
		written.millis = append(written.millis, float64(time.Since(begun).Microseconds())/1000)
		if committed != nil {
			committed(at, updated)
		}
	}
}

// contracts names the tokens of the n-th transaction.
func contracts(n, rows int) []string {
	all := make([]string, rows)
	for i := range all {
		sum := md5.Sum(fmt.Append(nil, 1+(n*rows+i)%1000))
		all[i] = fmt.Sprintf("%x", sum) + "pump"
	}
	return all
}
