package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	hotPositions = 2000
	hotBytes     = 300 // beside the history
	pipelined    = 200 // statements sent before the first answer is read
)

// positionID returns the id of the n-th position.
func positionID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// seedPositions makes positions whose features hold about size bytes and no history.
func seedPositions(count, size int) func(context.Context, *pgx.Conn) error {
	return seedDocuments(count, func(i int) string { return features(uint64(i), size, "") })
}

func seedDocuments(count int, document func(i int) string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		err := transactions(ctx, conn, `insert into lowcap_positions (id, token_chain, token_contract, token_ticker, timeframe, status, features)
			values ($1::uuid, 'solana', md5($1::text) || 'pump', 'TKN', '1h', 'active', $2::jsonb)`, count,
			func(i int) (string, string) { return positionID(i), document(i) })
		if err != nil {
			return err
		}
		return execAll(ctx, conn, `vacuum analyze lowcap_positions`)
	}
}

// writeRealistic writes the whole document of one position after the other with new figures, as the source does; three
// in a thousand also record a trim, which is two events.
func writeRealistic(positions, size int) func(context.Context, *pgx.Conn, int) (int, error) {
	return func(ctx context.Context, conn *pgx.Conn, rows int) (events int, err error) {
		trims := make([]int, positions)
		err = update(ctx, conn, rows, func(i int) (id, document string) {
			at := i % positions
			if i%1000 < 3 {
				trims[at]++
				events += 2
			}
			return positionID(at), features(uint64(positions+i), size, trimmed(trims[at]))
		})
		return events, err
	}
}

// trimmed returns the history of a position that was trimmed n times.
func trimmed(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(`{"last_trim":%s,"trim_pool":{"usd_basis":%d.5,"recovery_started":false,"dx_count":0}}`,
		execution(n, "trim_flag"), 25*n)
}

func update(ctx context.Context, conn *pgx.Conn, rows int, next func(i int) (id, document string)) error {
	return transactions(ctx, conn, `update lowcap_positions set features = $2::jsonb where id = $1::uuid`, rows, next)
}

// transactions runs a statement rows times, each in its own transaction, and sends ahead of the answers.
func transactions(ctx context.Context, conn *pgx.Conn, sql string, rows int, next func(i int) (id, document string)) error {
	if err := execAll(ctx, conn, `set synchronous_commit = off`); err != nil {
		return err
	}
	if _, err := conn.Prepare(ctx, "write", sql); err != nil {
		return err
	}
	for start := 0; start < rows; start += pipelined {
		p := conn.PgConn().StartPipeline(ctx)
		for i := start; i < min(rows, start+pipelined); i++ {
			id, document := next(i)
			p.SendQueryPrepared("write", [][]byte{[]byte(id), []byte(document)}, nil, nil)
			if err := p.Sync(); err != nil {
				return err
			}
		}
		if err := drained(p); err != nil {
			return err
		}
	}
	return execAll(ctx, conn, `deallocate write`)
}

func drained(p *pgconn.Pipeline) error {
	for {
		results, err := p.GetResults()
		if err != nil {
			return err
		}
		switch r := results.(type) {
		case nil:
			return p.Close()
		case *pgconn.ResultReader:
			if _, err := r.Close(); err != nil {
				return err
			}
		}
	}
}

// features returns a document as the source's engines write it: figures, series of them, and the history among them.
func features(seed uint64, size int, history string) string {
	r := rand.New(rand.NewPCG(seed, 7))
	var b strings.Builder
	fmt.Fprintf(&b, `{"uptrend_engine_v4":{"state":"S3","price":%v,"exit_reason":null,"ema":{"ema20":%v,"ema60":%v,"ema333":%v}}`,
		r.Float64(), r.Float64(), r.Float64(), r.Float64())
	if history != "" {
		fmt.Fprintf(&b, `,"pm_execution_history":%s`, history)
	}
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, `,"ta_block_%d":{"rsi":%v,"adx":%v,"slope":[`, n, r.Float64()*100, r.Float64()*100)
		for i := range 8 {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%v", r.NormFloat64()/1000)
		}
		fmt.Fprintf(&b, `],"label":"S%d zone","confirmed":%t}`, n%5, n%2 == 0)
	}
	b.WriteByte('}')
	return b.String()
}

// stampOf returns the timestamp of the n-th execution, as the source prints it.
func stampOf(n int) string {
	first := time.Date(2026, 1, 18, 11, 6, 52, 514883000, time.UTC)
	return first.Add(time.Duration(n) * time.Second).Format("2006-01-02T15:04:05.000000+00:00")
}

// execution returns the record of the n-th execution of a position.
func execution(n int, signal string) string {
	return fmt.Sprintf(`{"timestamp":"%s","price":0.00%d42,"size_frac":0.33,"signal":"%s","state":"S3","sr_level_price":0.0001%d}`,
		stampOf(n), 1000+n, signal, n)
}
