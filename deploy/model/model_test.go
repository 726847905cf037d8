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

// explore searches the model's states, all of them or until one is wrong.
func explore(t *testing.T, b bounds, faults ...string) (violated bool, states string) {
	t.Helper()
	model, err := filepath.Abs("../../docs/model/commit.pml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"-a", fmt.Sprintf("-DFAULTS=%d", b.faults), fmt.Sprintf("-DCRASHES=%d", b.crashes),
		fmt.Sprintf("-DLOSSES=%d", b.losses), fmt.Sprintf("-DCUTS=%d", b.cuts)}
	for _, fault := range faults {
		args = append(args, "-DFAULT_"+fault)
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
	all := []bounds{{0, 1, 0, 0}, {1, 0, 0, 0}, {0, 0, 1, 0}}
	if *pairs {
		all = append(all, bounds{0, 1, 0, 1}, bounds{0, 1, 1, 0}, bounds{0, 0, 1, 1})
	}
	for _, b := range all {
		violated, states := explore(t, b)
		t.Logf("%+v: %s states", b, states)
		if violated {
			t.Errorf("%+v: the protocol breaks its promise; docs/model/README.md says how to see the way there", b)
		}
	}
}

// TestModelFindsFaults: each way to weaken the protocol is seen.
func TestModelFindsFaults(t *testing.T) {
	need(t)
	for _, f := range []struct {
		bounds
		faults []string
	}{
		{bounds{1, 0, 0, 0}, []string{"NO_RAISE"}},
		{bounds{1, 0, 0, 0}, []string{"READ_FIRST"}},
		{bounds{0, 0, 1, 0}, []string{"FORGET_INTENT"}},
		{bounds{0, 0, 0, 0}, []string{"STATE_FIRST"}},
		{bounds{0, 0, 0, 0}, []string{"EVENTS_FIRST"}},
		{bounds{0, 1, 0, 0}, []string{"FORGET_CUT"}},
		{bounds{0, 1, 0, 0}, []string{"SKIP_BY_COMMIT"}},
		{bounds{0, 0, 1, 0}, []string{"NO_SLOT_CHECK"}},
		{bounds{0, 1, 0, 0}, []string{"CONFIRM_EARLY", "NO_SLOT_CHECK"}},
		{bounds{0, 1, 1, 0}, []string{"NO_CLAIM", "NO_SLOT_CHECK"}},
		{bounds{0, 1, 0, 0}, []string{"DROP_AFTER_CLAIM", "NO_SLOT_CHECK"}},
	} {
		violated, states := explore(t, f.bounds, f.faults...)
		t.Logf("%s %+v: %s states", strings.Join(f.faults, " and "), f.bounds, states)
		if !violated {
			t.Errorf("%s is not found", strings.Join(f.faults, " and "))
		}
	}
	if !*pairs {
		return
	}
	if violated, states := explore(t, bounds{0, 0, 1, 1}, "NO_SECOND_LOOK"); !violated {
		t.Errorf("NO_SECOND_LOOK is not found in %s states", states)
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
