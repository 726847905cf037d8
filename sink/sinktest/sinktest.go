// Package sinktest is the conformance suite of durable sinks: what cdc.Sink promises, as tests that any of them runs.
//
//	sinktest.Run(t, sinktest.Target{Open: open, Events: readCommitted})
package sinktest

import (
	"testing"

	"lowcap-cdc/cdc"
)

// Target is a sink under test and the storage behind it. The storage is empty when Run begins; its cases share it and
// tell their events and keys apart by name.
type Target struct {
	// Open returns a new instance on the same storage, not resumed yet. Instances opened before may still be alive.
	Open func(t testing.TB) cdc.Sink
	// Events returns the values that a committed reader sees now, in the order in which it sees them. The order is
	// compared among the events of one type and partition key only.
	Events func(t testing.TB) [][]byte
	// Abandon does to an instance what the kernel does to a killed process: connections and locks go, nothing is
	// finished. It is nil for a sink that needs none of that before another instance can take over.
	Abandon func(t testing.TB, s cdc.Sink)
	// Sequences is how many random sequences are enough for this target; 0 means as many as -rapid.checks says.
	Sequences int
}

// Run runs every case of the suite.
func Run(t *testing.T, target Target) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*space)
	}{
		{"empty resume", emptyResume},
		{"commit then resume", commitThenResume},
		{"removal", removal},
		{"empty batch", emptyBatch},
		{"batch stays the caller's", batchIsTheCallers},
		{"uncommitted parts are invisible", uncommittedParts},
		{"parts become visible together", partsTogether},
		{"order per key", orderPerKey},
		{"abandoned instance", abandoned},
		{"second instance", secondInstance},
		{"unusual keys", unusualKeys},
		{"any sequence", anySequence}, // many readings of the whole storage: before it holds much
		{"one megabyte", oneMegabyte},
		{"ten thousand events", tenThousand},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(newSpace(t, target, c.name)) })
	}
}
