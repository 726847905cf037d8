package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	long = flag.Duration("long", time.Minute, "how long each run goes on")
	seed = flag.Uint64("seed", 0, "of the run with a random seed; give it what a failed run printed")
)

// TestFixedSeed always draws the same faults, and what is drawn seldom often: tables and servers that go and come.
func TestFixedSeed(t *testing.T) { chaos(t, options{seed: 2026, seldom: true}) }

// TestRandomSeed draws others every time.
func TestRandomSeed(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	chaos(t, options{seed: *seed})
}

func chaos(t *testing.T, o options) {
	t.Helper()
	o.binary, o.seals, o.pages, o.changes = build(t), true, true, true
	o.duration, o.brokers, o.rate, o.out = *long, 1, 60, t.Output()
	v, err := run(t.Context(), o)
	if err != nil {
		t.Fatalf("seed %d: %v", o.seed, err)
	}
	var table strings.Builder
	v.print(&table)
	t.Log(table.String())
	if !v.clean() {
		t.Fatalf("seed %d is not clean", o.seed)
	}
}

func build(t *testing.T) string {
	t.Helper()
	return buildWith(t, "")
}

func buildWith(t *testing.T, tag string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "lowcap-cdc")
	cmd := exec.Command("go", "build", "-tags", tag, "-o", binary, "../../cmd/lowcap-cdc")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return binary
}
