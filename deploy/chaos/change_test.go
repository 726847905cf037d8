package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/deploy/lab"
)

var changes = flag.Bool("changes", false, "run TestServerChanges, which upgrades and moves the server between two minutes of faults")

// TestServerChanges: faults under load, then another server, adopted while the sidecar is killed at any moment, then faults under
// load again. Both oracles see one history over both servers: every step of every row told once, nothing told that was not.
func TestServerChanges(t *testing.T) {
	if !*changes {
		t.Skip("make upgrades runs it")
	}
	upgrade := func(ctx context.Context, w *world) (*lab.Postgres, error) { return w.postgres.Upgrade(ctx, "18") }
	for name, c := range map[string]struct {
		from string
		make func(context.Context, *world) (*lab.Postgres, error)
	}{
		"pg_upgrade with the slot":    {"17", upgrade},
		"pg_upgrade without the slot": {"15", upgrade},
		"dump and restore": {"18", func(ctx context.Context, w *world) (*lab.Postgres, error) {
			to, err := lab.StartWholePostgres(ctx, "18", "fsync=off", "wal_sender_timeout=5s", "max_wal_size=4GB")
			if err != nil {
				return nil, err
			}
			return to, w.postgres.Restore(ctx, database, to)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options{binary: build(t), seed: 2026, duration: *long, brokers: 1, rate: 60, out: t.Output(), whole: c.from}
			v, err := changed(t.Context(), o, c.make)
			if err != nil {
				t.Fatal(err)
			}
			var table strings.Builder
			v.print(&table)
			t.Log(table.String())
			if !v.clean() {
				t.Fatal("not clean")
			}
		})
	}
}

// changed is run with a change of the server in its middle.
func changed(ctx context.Context, o options, change func(context.Context, *world) (*lab.Postgres, error)) (v *verdict, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer w.close() //nolint:errcheck // the first error counts
	v = newVerdict(o)
	if err := w.stage(ctx, v); err != nil {
		return nil, err
	}
	for _, cmd := range []*exec.Cmd{w.command(), w.reference()} {
		if out, err := verb(cmd, "handover").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("hand over: %w: %s", err, out)
		}
	}
	before := w.postgres
	defer before.Close() //nolint:errcheck // it may have been stopped
	if w.postgres, err = change(ctx, w); err != nil {
		return nil, err
	}
	w.toPG.cut()
	if w.toPG, err = startProxy("postgres", fmt.Sprintf("127.0.0.1:%d", w.postgres.Port)); err != nil {
		return nil, err
	}
	if err := w.adopt(ctx); err != nil {
		return nil, err
	}
	w.retired = append(w.retired, w.sidecar)
	if w.sidecar, err = startInstance(w.dir, "sidecar", w.command); err != nil {
		return nil, err
	}
	w.options.seed++
	if err := w.stage(ctx, v); err != nil {
		return nil, err
	}
	return v, v.count(ctx, w)
}

// stage writes and injects faults for a while, and lets both streams come to the end of what was written.
func (w *world) stage(ctx context.Context, v *verdict) error {
	load, err := startLoad(ctx, w, writers)
	if err != nil {
		return err
	}
	failed := disturb(ctx, w, v)
	writes, err := load.stop()
	if v.writes += writes; failed != nil || err != nil {
		return fmt.Errorf("%w, %w", failed, err)
	}
	return w.catchUp(ctx)
}

// adopt makes the new server that of both histories; the disturbed one is killed at six random moments on the way.
func (w *world) adopt(ctx context.Context) error {
	random := rand.New(rand.NewPCG(w.options.seed, 3)) // not a secret
	for range 6 {
		cmd := verb(w.command(), "reconcile", "--adopt", "--yes")
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := pause(ctx, between(random, 20*time.Millisecond, 900*time.Millisecond)); err != nil {
			return err
		}
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	}
	err := eventually(ctx, "adopt the server", func() error {
		if out, err := verb(w.command(), "reconcile", "--adopt", "--yes").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out) // the server may not have seen yet that the last reader is gone
		}
		return nil
	})
	if err != nil {
		return err
	}
	if out, err := verb(w.reference(), "reconcile", "--adopt", "--yes").CombinedOutput(); err != nil {
		return fmt.Errorf("adopt in the reference: %w: %s", err, out)
	}
	return nil
}

// verb is another verb with the settings of a run.
func verb(run *exec.Cmd, args ...string) *exec.Cmd {
	run.Args = append(append([]string{run.Args[0]}, args...), run.Args[2:]...)
	return run
}
