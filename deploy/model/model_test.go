// Package model runs the executable specification of the commit protocol, docs/model/commit.pml.
package model

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
)

var pairs = flag.Bool("model-pairs", false, "exhaust pairs of adversities too (about 15 minutes, 4 GB)")

// bounds say how often each adversity may strike; see the macros of the model.
type bounds struct{ faults, crashes, losses, cuts int }

// explore searches the states of the model with some macros, all of them or until one is wrong.
func explore(t *testing.T, b bounds, macros ...string) (violated bool, states string) {
	t.Helper()
	model, err := filepath.Abs("../../docs/model/commit.pml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"-a", fmt.Sprintf("-DFAULTS=%d", b.faults), fmt.Sprintf("-DCRASHES=%d", b.crashes),
		fmt.Sprintf("-DLOSSES=%d", b.losses), fmt.Sprintf("-DCUTS=%d", b.cuts)}
	for _, macro := range macros {
		args = append(args, "-D"+macro)
	}
	run(t, dir, "spin", append(args, model)...)
	run(t, dir, "gcc", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=8000", "-o", "pan", "pan.c") // optimising takes longer than the search
	out := run(t, dir, "./pan", "-m1000000", "-w24")
	found := regexp.MustCompile(`(\S+) states, stored`).FindStringSubmatch(out)
	if found == nil || strings.Contains(out, "MEMLIM") || strings.Contains(out, "max search depth too small") {
		t.Fatalf("the search was not completed:\n%s", out)
	}
	return !strings.Contains(out, "errors: 0"), found[1]
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func need(t *testing.T) {
	t.Helper()
	for _, name := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(name); err != nil {
			lab.Missing(t, "the model needs spin and gcc: ", err)
		}
	}
}

// TestModel exhausts the protocol as it is: nothing lost, nothing twice, in order, and nothing waits for ever.
func TestModel(t *testing.T) {
	need(t)
	exhaust(t, bounds{0, 1, 0, 0})
	exhaust(t, bounds{1, 0, 0, 0})
	exhaust(t, bounds{0, 0, 1, 0}, "N=2") // changes; three of them take six times as long
	if !*pairs {
		return
	}
	for _, b := range []bounds{{0, 0, 1, 0}, {0, 0, 0, 1}, {0, 1, 0, 1}, {0, 1, 1, 0}, {0, 0, 1, 1}} {
		exhaust(t, b)
	}
}

// exhaust fails when the model is wrong somewhere.
func exhaust(t *testing.T, b bounds, macros ...string) {
	t.Helper()
	violated, states := explore(t, b, macros...)
	t.Logf("%+v %v: %s states", b, macros, states)
	if violated {
		t.Errorf("%+v %v: the protocol breaks its promise; docs/model/README.md says how to see the way there", b, macros)
	}
}

// TestModelFindsFaults: each way to weaken the protocol is seen.
func TestModelFindsFaults(t *testing.T) {
	need(t)
	for _, f := range []struct {
		bounds
		macros []string
	}{
		{bounds{1, 0, 0, 0}, []string{"FAULT_NO_RAISE"}},
		{bounds{1, 0, 0, 0}, []string{"FAULT_READ_FIRST"}},
		{bounds{0, 0, 1, 0}, []string{"FAULT_FORGET_INTENT"}},
		{bounds{0, 0, 0, 0}, []string{"FAULT_STATE_FIRST"}},
		{bounds{0, 0, 0, 0}, []string{"FAULT_EVENTS_FIRST"}},
		{bounds{0, 1, 0, 0}, []string{"FAULT_FORGET_CUT"}},
		{bounds{0, 1, 0, 0}, []string{"FAULT_SKIP_BY_COMMIT"}},
		{bounds{0, 0, 1, 0}, []string{"FAULT_NO_SLOT_CHECK"}},
		{bounds{0, 1, 0, 0}, []string{"FAULT_CONFIRM_EARLY", "FAULT_NO_SLOT_CHECK"}},
		{bounds{0, 1, 1, 0}, []string{"FAULT_NO_CLAIM", "FAULT_NO_SLOT_CHECK"}},
		{bounds{0, 1, 0, 0}, []string{"FAULT_DROP_AFTER_CLAIM", "FAULT_NO_SLOT_CHECK"}},
		{bounds{0, 0, 1, 0}, []string{"FAULT_NO_PROOF"}},
	} {
		violated, states := explore(t, f.bounds, f.macros...)
		t.Logf("%s %+v: %s states", strings.Join(f.macros, " and "), f.bounds, states)
		if !violated {
			t.Errorf("%s is not found", strings.Join(f.macros, " and "))
		}
	}
	if !*pairs {
		return
	}
	if violated, states := explore(t, bounds{0, 0, 1, 1}, "FAULT_NO_SECOND_LOOK"); !violated {
		t.Errorf("NO_SECOND_LOOK is not found in %s states", states)
	}
}

// TestModelOfVersion2: transactions of version 2 keep the promise too, and a late request is harmless there although nobody raises
// the epoch but the coordinator.
func TestModelOfVersion2(t *testing.T) {
	need(t)
	exhaust(t, bounds{1, 0, 0, 0}, "V2", "FAULT_NO_RAISE")
	if *pairs {
		exhaust(t, bounds{0, 1, 0, 0}, "V2", "FAULT_NO_RAISE")
		exhaust(t, bounds{0, 0, 1, 0}, "V2", "FAULT_NO_RAISE")
	}
}

// TestModelStaysShort: a specification is read, or it is none.
func TestModelStaysShort(t *testing.T) {
	text, err := os.ReadFile("../../docs/model/commit.pml")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 300 {
		t.Errorf("%d lines", lines)
	}
}
