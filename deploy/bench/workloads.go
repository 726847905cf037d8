package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// workload is one backlog: the rows that are there when the slots are made, and what is written afterwards.
type workload struct {
	name  string
	title string
	tls   bool
	turns int // at most; 0 is as many as are asked for
	rows  int // row changes of the backlog
	seed  func(ctx context.Context, conn *pgx.Conn) error
	// write makes the backlog and returns how many events it is.
	write func(ctx context.Context, conn *pgx.Conn, rows int) (events int, err error)
}

// workloads returns every backlog; scale 1 is the size that the documentation's numbers are of.
func workloads(scale float64) []workload {
	of := func(n, least int) int { return max(least, int(float64(n)*scale)) }
	positions, sets := of(8000, 20), of(50, 1)
	realistic := func(size int) (seed func(context.Context, *pgx.Conn) error, write func(context.Context, *pgx.Conn, int) (int, error)) {
		return seedPositions(positions, size), writeRealistic(positions, size)
	}
	seed7, write7 := realistic(7 << 10)
	seed40, write40 := realistic(40 << 10)
	quiet := writeBlocks(touchSQL, 0)
	return []workload{
		{"w1", "realistic, 7 KB features", false, 0, of(20000, 50), seed7, write7},
		{"w1-tls", "w1 with TLS to Postgres and Kafka", true, 0, of(20000, 50), seed7, write7},
		{"w1-40k", "realistic, 40 KB features", false, 0, of(20000, 50), seed40, write40},
		{"w2", "hot: every update touches the history", false, 0, of(200000, 100), seedPositions(hotPositions, hotBytes), writeHot},
		{"w3-quiet", "block updates, 1,000 a transaction, quiet", false, 0, of(1000000, 1000), seedBlocks(4), quiet},
		{"w3-quiet-tls", "w3-quiet with TLS to Postgres and Kafka", true, 0, of(1000000, 1000), seedBlocks(4), quiet},
		{"w3-loud", "block updates, 1,000 a transaction, each an event", false, 0, of(1000000, 1000), seedBlocks(4), writeBlocks(failSQL, 1)},
		{"w4", "one transaction of quiet rows", false, 1, of(5000000, 1000), seedBlocks(sets), writeOneTransaction(sets)},
		{"w5", "one-row transactions, quiet", false, 0, of(200000, 100), seedBlocks(4), writeSmall},
		{"w6", "2 GB of WAL of other tables", false, 0, of(2000000, 10000), seedUnrelated, writeUnrelated},
	}
}

// names returns what -workloads takes.
func names() []string {
	var all []string
	for _, w := range workloads(1) {
		all = append(all, w.name)
	}
	all = append(all, latencyName, latencyTLSName, notifyName)
	for _, size := range idleSizes {
		all = append(all, size.name)
	}
	return all
}

// seedBlocks makes n sets of 1,000 blocks, each set in a timeframe of its own.
func seedBlocks(n int) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		return execAll(ctx, conn,
			`alter table token_timeframe_blocks set (fillfactor = 50)`,
			fmt.Sprintf(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, blocked_s2, last_s1_failure_ts)
				select md5(c::text) || 'pump', 'solana', 't' || t, true, true, '2026-01-18 11:00:00.123456+00'
				from generate_series(1, 1000) c, generate_series(0, %d) t`, n-1),
			`create index on token_timeframe_blocks (timeframe)`, `vacuum analyze token_timeframe_blocks`)
	}
}

const (
	touchSQL = `update token_timeframe_blocks set updated_at = clock_timestamp() where timeframe = 't' || (i % 4)`
	failSQL  = `update token_timeframe_blocks set last_s1_failure_ts = timestamptz '2026-01-18 11:00:01.5+00' + i * interval '1 second',
		updated_at = clock_timestamp() where timeframe = 't' || (i % 4)`
)

// writeBlocks updates a set of 1,000 blocks in each transaction.
func writeBlocks(update string, eventsPerRow int) func(context.Context, *pgx.Conn, int) (int, error) {
	return func(ctx context.Context, conn *pgx.Conn, rows int) (int, error) {
		transactions := max(1, rows/1000)
		return transactions * 1000 * eventsPerRow, execAll(ctx, conn, loop(transactions, update))
	}
}

// loop returns a block that runs a statement n times, each in its own transaction; i counts.
func loop(n int, statement string) string {
	return fmt.Sprintf(`do $$ begin for i in 1..%d loop %s; commit; end loop; end $$`, n, statement)
}

// writeOneTransaction updates every block again and again in one transaction. Nothing cleans up behind an open
// transaction, so many blocks are updated few times.
func writeOneTransaction(sets int) func(context.Context, *pgx.Conn, int) (int, error) {
	return func(ctx context.Context, conn *pgx.Conn, rows int) (int, error) {
		return 0, execAll(ctx, conn, fmt.Sprintf(`do $$ begin for i in 1..%d loop
			update token_timeframe_blocks set updated_at = clock_timestamp(); end loop; end $$`, max(1, rows/1000/sets)))
	}
}

func writeSmall(ctx context.Context, conn *pgx.Conn, rows int) (int, error) {
	return 0, execAll(ctx, conn, loop(rows, `update token_timeframe_blocks set updated_at = clock_timestamp()
		where token_contract = md5((1 + i % 1000)::text) || 'pump' and token_chain = 'solana'
		and timeframe = 't' || (i / 1000 % 4) and book_id = 'onchain_crypto'`))
}

func seedUnrelated(ctx context.Context, conn *pgx.Conn) error {
	return execAll(ctx, conn, `create table unrelated (n bigint, payload text); alter table unrelated alter payload set storage plain`)
}

// writeUnrelated writes rows of about a kilobyte, 10,000 a transaction.
func writeUnrelated(ctx context.Context, conn *pgx.Conn, rows int) (int, error) {
	insert := `insert into unrelated select g, repeat(md5(g::text), 30) from generate_series(1, 10000) g`
	return 0, execAll(ctx, conn, loop(max(1, rows/10000), insert))
}

func execAll(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%.60s: %w", sql, err)
		}
	}
	return nil
}
