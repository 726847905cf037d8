package model

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// Refusal is the error of a trace that is no behaviour of the model.
type Refusal struct {
	Step int    // the first step that no behaviour of the model makes, from 1 on
	Text string // of the step, and of some before it
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the model does not allow step %d:\n%s", r.Step, r.Text)
}

// Validate holds a trace against docs/model/commit.pml: it returns nil when the trace is a behaviour of the model, and a *Refusal
// when it is none. It returns how many lines spin had to find a way through. The trace is what a sidecar writes that was built
// with the tag failpoint, into the file that LOWCAP_CDC_TRACE names; several processes, two at a time, may write into one file.
func Validate(ctx context.Context, dir, trace string) (lines int, err error) {
	steps, err := parseTrace(trace)
	if err != nil {
		return 0, err
	}
	t, err := translate(steps)
	if err != nil {
		return 0, err
	}
	if len(t.lines) == 0 {
		return 0, errors.New("the trace is empty")
	}
	furthest, err := t.search(ctx, dir)
	if err != nil || furthest == len(t.lines) {
		return len(t.lines), err
	}
	refused := &Refusal{Step: t.lines[furthest].of + 1}
	for i := max(refused.Step-15, 0); i < refused.Step; i++ {
		refused.Text += fmt.Sprintf("%6d  %d %s %s\n", i+1, steps[i].process, steps[i].name, strings.Join(steps[i].args, " "))
	}
	return len(t.lines), refused
}

// search has spin look for a way through all lines, and returns how many of them some way goes through. What it has built in the
// directory for another trace with the same bounds serves again.
func (t *translator) search(ctx context.Context, dir string) (furthest int, err error) {
	_, here, _, _ := runtime.Caller(0)
	specification := filepath.Join(filepath.Dir(here), "../../docs/model")
	write := func(name, text string) {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		}
	}
	write("lines", t.text())
	built, readErr := os.ReadFile(filepath.Join(dir, "bounds.h"))
	if readErr != nil || string(built) != t.bounds() {
		for _, name := range []string{"commit.pml", "trace.pml"} {
			text, readErr := os.ReadFile(filepath.Join(specification, name))
			err = errors.Join(err, readErr)
			write(name, string(text))
		}
		write("lines.h", readLine)
		write("bounds.h", t.bounds())
		_, err = sequence(ctx, dir, err, []string{"spin", "-a", "trace.pml"},
			[]string{"gcc", "-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", "-DMEMLIM=4000", "-w", "-o", "pan", "pan.c"})
	}
	said, err := sequence(ctx, dir, err, []string{"./pan", "-E", "-m1000000"})
	if err != nil {
		return 0, err
	}
	return t.reached(said)
}

// sequence runs commands one after the other, and returns what the last one says.
func sequence(ctx context.Context, dir string, err error, commands ...[]string) (said string, _ error) {
	for _, command := range commands {
		if err != nil {
			return "", err
		}
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir = dir
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %.3000s", strings.Join(command, " "), err, out)
		}
		said = string(out)
	}
	return said, nil
}

var waits = regexp.MustCompile(`waits for line (\d+)`)

// reached reads what the search says.
func (t *translator) reached(out string) (furthest int, err error) {
	switch {
	case strings.Contains(out, "assertion violated"):
		return len(t.lines), nil
	case !strings.Contains(out, "errors: 0") || strings.Contains(out, "MEMLIM") || strings.Contains(out, "max search depth too small"):
		return 0, fmt.Errorf("the search was not completed:\n%s", out)
	}
	for _, match := range waits.FindAllStringSubmatch(out, -1) {
		if furthest, err = strconv.Atoi(match[1]); err != nil {
			return 0, err
		}
	}
	return furthest, nil
}
