package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
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

var highest = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

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

// peakNow returns the most that a running process had resident, in bytes.
func peakNow(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	m := highest.FindSubmatch(status)
	if err != nil || m == nil {
		t.Fatalf("read status of %d: %v", pid, err)
	}
	kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kb << 10
}

// cpuOf returns the processor time that a process has used: fields 14 and 15 of its stat, in hundredths of a second.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
