package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	_ "embed" // the oracle's view of a restore

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
	"lowcap-cdc/deploy/lab"
)

// planned hands the server over before it is replaced, and adopts the new one.
func planned(change func(context.Context, *world) (*lab.Postgres, error)) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		if err := w.handOver(); err != nil {
			return err
		}
		return unplanned(change)(ctx, w)
	}
}

func (w *world) handOver() error {
	for _, cmd := range []*exec.Cmd{w.command(), w.reference()} {
		if out, err := verb(cmd, "handover").CombinedOutput(); err != nil {
			return fmt.Errorf("hand over: %w: %s", err, out)
		}
	}
	return nil
}

func dumped(ctx context.Context, w *world) (*lab.Postgres, error) {
	to, err := lab.StartPostgresOf(ctx, "18", "fsync=off", "wal_sender_timeout=5s", "max_wal_size=4GB")
	if err != nil {
		return nil, err
	}
	return to, w.postgres.Restore(ctx, w.database, to)
}

//go:embed oracle_restored.sql
var oracleRestoredSQL string

// restored goes back to a point before which and behind which events were published.
func restored(ctx context.Context, w *world) (*lab.Postgres, error) {
	backup, err := w.postgres.Backup(ctx)
	if err != nil {
		return nil, err
	}
	var point uint64
	for range 2 {
		if point, err = w.place(ctx); err != nil {
			return nil, err
		}
		if err := w.calmStage(ctx, 4*time.Second); err != nil {
			return nil, err
		}
	}
	if err := w.ask(ctx, "do $$ begin perform pg_switch_wal(); end $$"); err != nil {
		return nil, err
	}
	server, err := backup.RestoreTo(ctx, decode.LSN(point).String())
	if err != nil {
		return nil, err
	}
	if err := until(ctx, server.DSN(w.database), "select not pg_is_in_recovery()"); err != nil {
		return nil, err
	}
	w.reconciled = true
	return server, w.logRestore(ctx, server)
}

// calmStage writes for a while without any fault, and lets both streams come to the end.
func (w *world) calmStage(ctx context.Context, d time.Duration) error {
	if err := w.continueSidecar(); err != nil {
		return err
	}
	load, err := startLoad(ctx, w, writers)
	if err != nil {
		return err
	}
	waited := pause(ctx, d)
	if _, err := load.stop(); err != nil || waited != nil {
		return fmt.Errorf("%w, %w", err, waited)
	}
	return w.catchUp(ctx)
}

// logRestore gives the restored server the log of what it does not have any more, and what the restore itself has changed.
func (w *world) logRestore(ctx context.Context, server *lab.Postgres) error {
	from, err := pgx.Connect(ctx, w.postgres.DSN(w.database))
	if err != nil {
		return err
	}
	defer from.Close(ctx) //nolint:errcheck // it was only read
	to, err := pgx.Connect(ctx, server.DSN(w.database))
	if err != nil {
		return err
	}
	defer to.Close(ctx) //nolint:errcheck // nothing was left undone on it
	var last int64
	if err := to.QueryRow(ctx, "select max(ordinal) from chaos_log").Scan(&last); err != nil {
		return err
	}
	rows, err := from.Query(ctx, "select ordinal, xid, position, entity, op, old, new from chaos_log where ordinal > $1 order by ordinal", last)
	if err != nil {
		return err
	}
	columns := []string{"ordinal", "xid", "position", "entity", "op", "old", "new"}
	n, err := to.CopyFrom(ctx, pgx.Identifier{"chaos_log"}, columns, copied{rows})
	if err != nil || n == 0 {
		return fmt.Errorf("%d changes were published and are gone: %w", n, err)
	}
	_, err = to.Exec(ctx, fmt.Sprintf("alter table chaos_log alter ordinal restart with %d", last+n+1_000_000))
	if err == nil {
		_, err = to.Exec(ctx, oracleRestoredSQL)
	}
	return err
}

// copied makes rows that were asked for the source of a copy.
type copied struct{ pgx.Rows }
