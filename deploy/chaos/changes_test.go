package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// unplanned replaces the server, and adopts the new one.
func unplanned(change func(context.Context, *world) (*lab.Postgres, error)) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		server, err := change(ctx, w)
		if err != nil {
			return err
		}
		w.replaced = append(w.replaced, w.postgres)
		w.postgres = server
		w.toPG.cut()
		if w.toPG, err = startProxy("postgres", fmt.Sprintf("127.0.0.1:%d", server.Port)); err != nil {
			return err
		}
		return w.adopt(ctx)
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

// renamed renames the database, as soon as nobody is connected to it.
func renamed(ctx context.Context, w *world) error {
	admin, err := pgx.Connect(ctx, w.postgres.DSN("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(ctx) //nolint:errcheck // nothing was left undone on it
	err = eventually(ctx, "rename the database", func() error {
		_, err := admin.Exec(ctx, "alter database "+w.database+" rename to renamed")
		return err
	})
	if err != nil {
		return err
	}
	w.database = "renamed"
	return w.adopt(ctx)
}

// promoted ends the primary as a crash does, once a standby has everything, its failover slots too where the version keeps them, and
// promotes that.
func promoted(ctx context.Context, w *world) (*lab.Postgres, error) {
	if err := w.ask(ctx, `do $$ begin perform pg_create_physical_replication_slot('standby', true); end $$`); err != nil {
		return nil, err
	}
	standby, err := w.postgres.Standby(ctx)
	if err != nil {
		return nil, err
	}
	if w.options.postgres >= "17" {
		if err := w.syncSlots(ctx, standby); err != nil {
			return nil, err
		}
	}
	end, err := w.place(ctx)
	if err != nil {
		return nil, err
	}
	if err := until(ctx, standby.DSN(w.database), fmt.Sprintf("select pg_last_wal_replay_lsn() >= '%s'", decode.LSN(end))); err != nil {
		return nil, err
	}
	if err := w.postgres.Stop(ctx, "immediate"); err != nil {
		return nil, err
	}
	return standby, standby.Promote(ctx)
}

// syncSlots waits until the standby has both slots. It takes a slot as soon as that needs no older WAL than the standby has, which only
// a reader that goes on brings about.
func (w *world) syncSlots(ctx context.Context, standby *lab.Postgres) error {
	conn, err := pgx.Connect(ctx, standby.DSN(w.database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only asked
	return eventually(ctx, "keep the slots on the standby", func() error {
		if err := w.ask(ctx, "do $$ begin perform pg_log_standby_snapshot(); end $$"); err != nil {
			return err
		}
		if err := errors.Join(finish(w.command()), finish(w.reference())); err != nil {
			return err
		}
		var kept int
		err := conn.QueryRow(ctx, "select count(*) from pg_replication_slots where synced and not temporary").Scan(&kept)
		if err == nil && kept < 2 {
			err = fmt.Errorf("the standby has %d slots", kept)
		}
		return err
	})
}

// until waits until a query on a server answers true.
func until(ctx context.Context, dsn, query string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only asked
	return eventually(ctx, query, func() error {
		var is bool
		err := conn.QueryRow(ctx, query).Scan(&is)
		if err == nil && !is {
			err = fmt.Errorf("it is not so")
		}
		return err
	})
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

// adopt makes the new server that of both histories; the disturbed one is killed at six random moments on the way.
func (w *world) adopt(ctx context.Context) error {
	if err := w.killed(ctx, func() *exec.Cmd { return verb(w.command(), "reconcile", "--adopt", "--yes") }); err != nil {
		return err
	}
	if out, err := verb(w.reference(), "reconcile", "--adopt", "--yes").CombinedOutput(); err != nil {
		return fmt.Errorf("adopt in the reference: %w: %s", err, out)
	}
	return nil
}

// killed runs a verb that is killed at six random moments, and then to its end.
func (w *world) killed(ctx context.Context, command func() *exec.Cmd) error {
	random := rand.New(rand.NewPCG(w.options.seed, 3)) // not a secret
	for range 6 {
		cmd := command()
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := pause(ctx, between(random, 20*time.Millisecond, 900*time.Millisecond)); err != nil {
			return err
		}
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	}
	return eventually(ctx, "finish what was killed", func() error {
		if out, err := command().CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out) // the server may not have seen yet that the last reader is gone
		}
		return nil
	})
}

// verb is another verb with the settings of a run.
func verb(run *exec.Cmd, args ...string) *exec.Cmd {
	run.Args = append(append([]string{run.Args[0]}, args...), run.Args[2:]...)
	return run
}
