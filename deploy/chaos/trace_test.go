package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lowcap-cdc/deploy/model"
)

var traced = flag.Duration("traced", 20*time.Second, "how long the run of TestTrace goes on")

// TestTrace: what the sidecar does under faults is a behaviour of the model of its protocol.
func TestTrace(t *testing.T) {
	o := options{seed: uint64(time.Now().UnixNano()), binary: buildWith(t, "failpoint"), duration: *traced, brokers: 1, rate: 60,
		trace: filepath.Join(t.ArtifactDir(), "trace"), out: t.Output()}
	v, err := run(t.Context(), o)
	if err != nil {
		t.Fatalf("seed %d: %v", o.seed, err)
	}
	if !v.clean() {
		v.print(t.Output())
		t.Fatalf("seed %d is not clean", o.seed)
	}
	trace, err := os.ReadFile(o.trace)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := model.Validate(t.Context(), t.TempDir(), string(trace))
	if err != nil {
		t.Fatalf("seed %d, %d kills: %v", o.seed, v.kills, err)
	}
	t.Logf("%d faults, %d kills; %d lines are a behaviour of the model", v.faults, v.kills, lines)
}
