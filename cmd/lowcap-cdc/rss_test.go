package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// peakMemory runs a command to its end and returns the largest resident size that it had, in bytes, as /proc tells it.
// The kernel's own count of a child begins with its parent's size, so it cannot be used.
func (s *site) peakMemory(cmd *exec.Cmd) int64 {
	s.t.Helper()
	log := newWatched("never")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	peak, highest := int64(0), regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				s.t.Fatalf("%v: %s", err, log)
			}
			return peak
		case <-tick.C:
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if m := highest.FindSubmatch(status); err == nil && m != nil {
				kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
				peak = max(peak, kb<<10)
			}
		}
	}
}
