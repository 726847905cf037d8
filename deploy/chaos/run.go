package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// options say how a run goes. Its faults end with the first limit that is reached; then everything is counted.
type options struct {
	binary   string
	seed     uint64
	kills    int
	duration time.Duration
	brokers  int
	rate     int             // transactions a second
	postgres string          // major version; empty for the usual server
	seals    bool            // a sealer runs beside the sidecar
	pages    bool            // and notify
	changes  bool            // tables and servers go and come
	seldom   bool            // what is drawn seldom comes often
	trace    string          // a file that the sidecar, built with failpoints, writes the steps of its protocol to; empty for none
	enough   <-chan struct{} // closed to end it early; nil for never
	out      io.Writer
}

const (
	// longestCalm is how long the sidecar is left alone at most between two faults.
	longestCalm = 400 * time.Millisecond
	// patience is when a sidecar that publishes nothing counts as stuck. A transaction that a dead one left open ends by
	// itself after a minute and ten seconds.
	patience = 3 * time.Minute
)

// run does one whole experiment: world, load, faults, and the count.
func run(ctx context.Context, o options) (v *verdict, err error) {
	fmt.Fprintf(o.out, "seed %d\n", o.seed)
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	v = newVerdict(o)
	load, err := startLoad(ctx, w, writers)
	if err != nil {
		return nil, err
	}
	intruder, err := startIntruder(ctx, w)
	if err != nil {
		return nil, err
	}
	faultsErr := disturb(ctx, w, v)
	intruder.stop()
	v.writes, err = load.stop()
	v.stall = w.tail.longestStall()
	if err := errors.Join(faultsErr, err); err != nil {
		return nil, errors.Join(err, w.keep())
	}
	if err := w.catchUp(ctx); err != nil {
		return nil, errors.Join(err, w.keep())
	}
	if err := v.count(ctx, w); err != nil {
		return nil, err
	}
	if !v.clean() {
		return v, w.keep()
	}
	return v, nil
}

// disturb injects faults until a limit is reached.
func disturb(ctx context.Context, w *world, v *verdict) error {
	random := rand.New(rand.NewPCG(w.options.seed, 2))
	deck := faults(w.options)
	begun := time.Now()
	for !w.options.reached(v.kills, time.Since(begun)) {
		f := deck.draw(random)
		calm, overlap := between(random, 0, longestCalm), random.IntN(4) == 0
		v.begin(f, calm, overlap)
		if err := pause(ctx, calm); err != nil {
			return err
		}
		if err := f.inject(ctx, w, random); err != nil {
			return fmt.Errorf("inject %s: %w", f.name, err)
		}
		if overlap {
			continue // the next fault finds the sidecar where it is
		}
		took, err := w.recovered(ctx)
		if err != nil {
			return fmt.Errorf("after %s: %w", f.name, err)
		}
		v.recovered(f, took)
	}
	_, err := w.recovered(ctx)
	return err
}

func (o options) reached(kills int, elapsed time.Duration) bool {
	select {
	case <-o.enough:
		return true
	default:
	}
	return (o.kills > 0 && kills >= o.kills) || (o.duration > 0 && elapsed >= o.duration)
}

// pause waits: here the time is the experiment.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// between draws a duration.
func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(most-least)))
}

// eventually repeats a step until it succeeds or patience ends.
func eventually(ctx context.Context, what string, step func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := step()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, ctx.Err(), err)
		case <-ticker.C:
		}
	}
}
