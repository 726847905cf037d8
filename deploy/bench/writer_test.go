package main

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/lab"
)

// TestWritersTellTheDatabasesTime: what a bare producer counts from lies between the last of a transaction's changes and the time of
// its commit, which is what the sidecar's events have, both by the database's clock. The writer's own clock, when it has the
// answer, is behind the flush of the WAL: with that the limit of latency looked shorter than it is.
func TestWritersTellTheDatabasesTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server")
	}
	postgres, err := lab.StartPostgres(t.Context(), "track_commit_timestamp=on")
	if err != nil {
		t.Fatal(err)
	}
	defer postgres.Close() //nolint:errcheck // the test is over
	conn, err := postgres.CreateSource(t.Context(), "clock")
	if err != nil {
		t.Fatal(err)
	}
	if err := seedBlocks(writers)(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	var mu sync.Mutex
	var told []time.Time
	l := &lane{servers: &servers{postgres: postgres}, database: "clock"}
	written, err := l.write(t.Context(), 500, 200*time.Millisecond, func(at time.Time, rows int) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, slices.Repeat([]time.Time{at}, rows)...)
	})
	if err != nil {
		t.Fatal(err)
	}
	if written.rows != 100 || len(told) != written.rows {
		t.Fatalf("%d rows were written, and %d told", written.rows, len(told))
	}
	rows, err := conn.Query(t.Context(), `select updated_at, pg_xact_commit_timestamp(xmin) from token_timeframe_blocks
		where updated_at >= $1`, before)
	if err != nil {
		t.Fatal(err)
	}
	commits, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Changed, Committed time.Time }])
	if err != nil || len(commits) != written.rows {
		t.Fatalf("%d commits, %v", len(commits), err)
	}
	var most time.Duration
	for _, at := range told {
		i := slices.IndexFunc(commits, func(c struct{ Changed, Committed time.Time }) bool {
			return !at.Before(c.Changed) && !at.After(c.Committed)
		})
		if i < 0 {
			t.Fatalf("%v lies in no transaction, from its change to its commit", at)
		}
		most = max(most, commits[i].Committed.Sub(at))
	}
	t.Logf("at most %v before the commit", most)
}
