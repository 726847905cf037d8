package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
)

var changes = flag.Bool("changes", false, "run TestServerChanges, which upgrades and moves the server between two minutes of faults")

// change is what happens to the world between two stages of load and faults.
type change struct {
	from string // version of Postgres; empty for the usual server
	make func(ctx context.Context, w *world) error
}

// changesOfServer are the ways in which a history comes to another server, name, state or cluster.
func changesOfServer() map[string]change {
	upgrade := planned(func(ctx context.Context, w *world) (*lab.Postgres, error) { return w.postgres.Upgrade(ctx, "18") })
	return map[string]change{
		"pg_upgrade with the slot":       {"17", upgrade},
		"pg_upgrade without the slot":    {"15", upgrade},
		"dump and restore":               {"18", planned(dumped)},
		"a renamed database":             {"18", renamed},
		"promotion with the slot":        {"18", unplanned(promoted)},
		"promotion without the slot":     {"16", unplanned(promoted)},
		"restored to an earlier point":   {"18", unplanned(restored)},
		"another cluster, by a mirror":   {"", mirrorCluster},
		"another cluster, by lowcap-cdc": {"", replayCluster},
	}
}

// TestServerChanges: faults under load, then another server or cluster, gone over to while the sidecar is killed at any moment, then
// faults under load again. Both oracles see one history over both: every step of every row told once, nothing told that was not.
func TestServerChanges(t *testing.T) {
	if !*changes {
		t.Skip("make upgrades runs it")
	}
	for name, c := range changesOfServer() {
		t.Run(name, func(t *testing.T) {
			o := options{binary: build(t), seed: 2026, duration: *long, brokers: 1, rate: 60, out: t.Output(), postgres: c.from}
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

// changed is run with a change in its middle.
func changed(ctx context.Context, o options, change func(context.Context, *world) error) (v *verdict, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer w.close() //nolint:errcheck // the first error counts
	v = newVerdict(o)
	if err := w.stage(ctx, v); err != nil {
		return nil, err
	}
	if err := change(ctx, w); err != nil {
		return nil, fmt.Errorf("change: %w", err)
	}
	if err := w.continueSidecar(); err != nil {
		return nil, err
	}
	w.options.seed++
	if err := w.stage(ctx, v); err != nil {
		return nil, err
	}
	if err := v.count(ctx, w); err != nil || v.clean() {
		return v, err
	}
	return v, w.keep()
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
