package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// peakMemory runs a command to its end and returns the largest resident size that it had, in bytes.
func (s *site) peakMemory(cmd *exec.Cmd) int64 {
	s.t.Helper()
	peak, out, err := s.peakOf(cmd)
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return peak
}

var highest = regexp.MustCompile(`VmHWM:\s+(\d+) kB`) //nolint:gochecknoglobals // a constant

// peakOf runs a command, which may be killed, and returns what /proc tells of its memory until it ends. The kernel's own
// count of a child begins with its parent's size, so it cannot be used.
func (s *site) peakOf(cmd *exec.Cmd) (peak int64, out *watched, err error) {
	s.t.Helper()
	out = newWatched("never")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return peak, out, err
		case <-tick.C:
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if m := highest.FindSubmatch(status); err == nil && m != nil {
				kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
				peak = max(peak, kb<<10)
			}
		}
	}
}
