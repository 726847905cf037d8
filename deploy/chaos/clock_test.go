package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"lowcap-cdc/deploy/lab"
)

// TestClockSetBack moves the database's clock back and forth by hours while the source writes and the sidecar is killed.
// Times come from the WAL, so commits seem to run backwards; order and identity must not. Afterwards the publication is
// idle, with the clock behind the last commit: the slot must move all the same.
func TestClockSetBack(t *testing.T) {
	o := options{seed: 13, rate: 60, brokers: 1, binary: build(t), out: t.Output()}
	var setClock func(time.Duration) error
	w, err := newWorldWith(t.Context(), o, func(w *world, ctx context.Context) (err error) {
		if setClock, err = w.postgres.FakeClock(); err != nil {
			lab.Missing(t, errors.Join(err, w.close()))
		}
		return errors.Join(w.postgres.Stop(ctx, "fast"), w.postgres.Start(ctx), w.startKafka(ctx))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close() //nolint:errcheck // the test is over
	// One writer waits for nobody: a server that waits for a lock looks for deadlocks by a timer, which a moved clock breaks.
	load, err := startLoad(t.Context(), w, 1)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerdict(o)
	for _, offset := range []time.Duration{-time.Hour, time.Hour, -2 * time.Hour, -30 * time.Minute, 0} {
		v.begin(fault{name: fmt.Sprintf("clock set to %v, SIGKILL", offset), kill: true}, 0, false)
		err := errors.Join(setClock(offset), showsClock(w, offset), pause(t.Context(), time.Second), w.sidecar.signal(syscall.SIGKILL))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.recovered(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if v.writes, err = load.stop(); err != nil {
		t.Fatal(err)
	}
	// The last commit is in the sink, with the time of before, when the clock goes back.
	if err := errors.Join(pause(t.Context(), 2*time.Second), setClock(-3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	slotMoves(t, w)
	judge(t, w, v)
}

// showsClock checks that the database has the clock it was given.
func showsClock(w *world, offset time.Duration) error {
	var at time.Time
	if err := w.ask(context.Background(), "select clock_timestamp()", &at); err != nil {
		return err
	}
	if off := time.Until(at) - offset; off.Abs() > 10*time.Second {
		return fmt.Errorf("the clock is off by %v", off)
	}
	return nil
}

// slotMoves writes what nobody publishes, and waits until the slot has passed it.
func slotMoves(t *testing.T, w *world) {
	t.Helper()
	begun := time.Now()
	if err := w.ask(t.Context(), "create table unpublished as select generate_series(1, 1000)"); err != nil {
		t.Fatal(err)
	}
	place, err := w.place(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = eventually(t.Context(), "wait for the slot", func() error {
		passed := false
		sql := fmt.Sprintf("select confirmed_flush_lsn - '0/0' >= %d from pg_replication_slots where slot_name = 'disturbed'", place)
		if err := w.ask(t.Context(), sql, &passed); err != nil || passed {
			return err
		}
		return fmt.Errorf("it has not moved for %v, with the clock behind the last commit", time.Since(begun).Round(time.Second))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the slot passed after %v", time.Since(begun).Round(time.Second))
}
