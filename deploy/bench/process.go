package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// usage is what one run of a contender took.
type usage struct {
	Seconds   float64 `json:"seconds"`
	Streaming float64 `json:"streaming_seconds"`  // of them since its slot was first seen to stream: without its start
	CPU       float64 `json:"cpu_seconds"`        // user and system, of the contender
	SenderCPU float64 `json:"sender_cpu_seconds"` // of the server's process that feeds it
	BrokerCPU float64 `json:"broker_cpu_seconds"`
	PeakRSS   int64   `json:"peak_rss_bytes"`
}

// ticksPerSecond is the unit of /proc/PID/stat on Linux.
const ticksPerSecond = 100

const (
	// rivalTimeout is how long a contender may take for a backlog.
	rivalTimeout = 10 * time.Minute
	// stopTimeout is how long it may take to end when it is told to.
	stopTimeout = 10 * time.Second
)

// bound puts a program into a group of its own, which does not outlive this program.
func bound(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return kill(cmd) }
	cmd.WaitDelay = stopTimeout // a child of its own may hold the pipes
}

// kill ends a program with all that it has started.
func kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// timed runs a command to its end. Where stop is not nil, it is asked every 10 ms whether the command, which does not
// end by itself, is done.
func timed(ctx context.Context, conn *pgx.Conn, cmd *exec.Cmd, slot string, stop func() (bool, error)) (usage, error) {
	var log bytes.Buffer
	cmd.Stderr = &log
	if cmd.Stdout == nil {
		cmd.Stdout = &log
	}
	bound(cmd)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	var u usage
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		u.Seconds = time.Since(start).Seconds()
		done <- err
	}()
	watch := watcher{conn: conn, slot: slot, pid: cmd.Process.Pid}
	within, cancel := context.WithTimeout(ctx, rivalTimeout)
	defer cancel()
	err := watch.until(within, done, stop)
	kill(cmd) //nolint:errcheck // it has ended, and with it most of what it had started
	if stop != nil && err == nil {
		u.Seconds = watch.stopped.Sub(start).Seconds()
	}
	if err != nil {
		return u, fmt.Errorf("%s: %w: %s", cmd.Args[0], err, log.String())
	}
	u.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	u.SenderCPU, u.PeakRSS = watch.senderCPU, watch.peak
	if !watch.streams.IsZero() {
		u.Streaming = u.Seconds - watch.streams.Sub(start).Seconds()
	}
	return u, nil
}

// watcher looks at a running contender and at the server's process that feeds it.
type watcher struct {
	conn      *pgx.Conn
	slot      string
	pid       int
	sender    int32
	senderCPU float64
	peak      int64
	resident  int64     // at the last look
	streams   time.Time // when it was first seen to
	stopped   time.Time
}

func (w *watcher) until(ctx context.Context, done <-chan error, stop func() (bool, error)) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if !w.stopped.IsZero() {
				return nil // it was told to
			}
			if err == nil && stop != nil {
				err = errors.New("it ended before its slot had passed the end")
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			w.sample(ctx)
			if !w.stopped.IsZero() && time.Since(w.stopped) > stopTimeout {
				syscall.Kill(-w.pid, syscall.SIGKILL) //nolint:errcheck // it may have ended
			}
			if stop == nil || !w.stopped.IsZero() {
				continue
			}
			over, err := stop()
			if err != nil {
				return err
			}
			if over {
				w.stopped = time.Now()
				syscall.Kill(w.pid, syscall.SIGTERM) //nolint:errcheck // it may have ended
			}
		}
	}
}

// memory finds the largest and the present resident size.
var memory = regexp.MustCompile(`VmHWM:\s+(\d+) kB\s+VmRSS:\s+(\d+) kB`)

func (w *watcher) sample(ctx context.Context) {
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid)); err == nil {
		if m := memory.FindSubmatch(status); m != nil {
			peak, _ := strconv.ParseInt(string(m[1]), 10, 64)
			now, _ := strconv.ParseInt(string(m[2]), 10, 64)
			w.peak, w.resident = max(w.peak, peak<<10), now<<10
		}
	}
	if w.sender == 0 {
		var pid *int32
		err := w.conn.QueryRow(ctx, `select s.active_pid from pg_replication_slots s join pg_stat_replication r on r.pid = s.active_pid
			where s.slot_name = $1 and r.state in ('catchup', 'streaming')`, w.slot).Scan(&pid)
		if err == nil && pid != nil {
			w.sender, w.streams = *pid, time.Now()
		}
		return
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.sender)); err == nil {
		w.senderCPU = processorTime(string(stat))
	}
}

// processorTime reads user and system time out of /proc/PID/stat, in seconds.
func processorTime(stat string) float64 {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticksPerSecond
}

// startBound starts a program that does not outlive this one.
func startBound(cmd *exec.Cmd) error {
	bound(cmd)
	return cmd.Start()
}

// stopped ends a program in order, and by force when it does not end.
func stopped(cmd *exec.Cmd) error {
	cmd.Process.Signal(syscall.SIGTERM)                        //nolint:errcheck // it may have ended
	force := time.AfterFunc(stopTimeout, func() { kill(cmd) }) //nolint:errcheck // as above
	defer force.Stop()
	err := cmd.Wait()
	kill(cmd) //nolint:errcheck // what it had started
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Args[1], err)
	}
	return nil
}

// used returns the processor time of a running program so far, in seconds.
func used(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	return processorTime(string(stat))
}
