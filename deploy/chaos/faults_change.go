package main

import (
	"context"
	"math/rand/v2"
)

// oftenTimes is how much more often a change is drawn where all of them shall come within a minute.
const oftenTimes = 12

// changeFaults are what operators and migrations do to the tables and to the server.
func changeFaults(o options) deck {
	d := deck{
		{"table: TRUNCATE", 8, false, truncateTable},
		{"table: renamed for some writes", 8, false, renameTable},
		{"table: column added and dropped", 8, false, alterTable},
		{"table: dropped and made again, SIGKILLs", 8, true, remakeTable},
		{"database renamed and adopted, SIGKILLs", 3, true, adoptAfter(renamed)},
		{"standby promoted and adopted, SIGKILLs", 4, true, adoptAfter(unplanned(promoted))},
	}
	for i := range d {
		if o.seldom {
			d[i].weight *= oftenTimes
		}
	}
	return d
}

// adoptAfter has both streams come to the end, changes the server, and goes on there.
func adoptAfter(change func(context.Context, *world) error) func(context.Context, *world, *rand.Rand) error {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		return w.held(func() error {
			if err := w.catchUp(ctx); err != nil {
				return err
			}
			if err := change(ctx, w); err != nil {
				return err
			}
			w.closeReplaced()
			return w.continueSidecar()
		})
	}
}

// held does something while the load does not write. What arrives late for that reason is no stall.
func (w *world) held(what func() error) error {
	w.gate.Lock()
	defer w.gate.Unlock()
	defer w.tail.rest()
	return what()
}
