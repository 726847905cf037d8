package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
	"lowcap-cdc/deploy/lab"
)

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

// renamed renames the database, which it ends every connection to.
func renamed(ctx context.Context, w *world) error {
	admin, err := pgx.Connect(ctx, w.postgres.DSN("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(ctx) //nolint:errcheck // nothing was left undone on it
	name := fmt.Sprintf("renamed%d", len(w.retired))
	err = eventually(ctx, "rename the database", func() error {
		_, err := admin.Exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", w.database)
		if err == nil {
			_, err = admin.Exec(ctx, "alter database "+w.database+" rename to "+name)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.database = name
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
	var version int
	if err := w.ask(ctx, "select current_setting('server_version_num')::int", &version); err != nil {
		return nil, err
	}
	if version >= 170000 {
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
	random := rand.New(rand.NewPCG(w.options.seed, uint64(3+len(w.retired)))) // not a secret
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

// continueSidecar starts the sidecar that the end of a stage has stopped.
func (w *world) continueSidecar() (err error) {
	w.retired = append(w.retired, w.sidecar)
	w.sidecar, err = startInstance(w.dir, "sidecar", w.command)
	return err
}
