package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// restartAfter is when a sidecar that has ended is started again, as systemd or Kubernetes do.
const restartAfter = 50 * time.Millisecond

// instance keeps a sidecar running.
type instance struct {
	command func() *exec.Cmd
	log     *os.File
	done    chan struct{}

	mu      sync.Mutex
	process *os.Process
	stopped bool
	exits   map[int]int // how often it ended by itself, by exit code
}

// startInstance starts a sidecar and starts it again whenever it ends, until stop.
func startInstance(dir, name string, command func() *exec.Cmd) (*instance, error) {
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	i := &instance{command: command, log: log, done: make(chan struct{}), exits: make(map[int]int)}
	go i.keep()
	return i, nil
}

func (i *instance) keep() {
	defer close(i.done)
	for i.once() {
		<-time.After(restartAfter)
	}
}

// once runs the sidecar to its end and reports whether it should be started again.
func (i *instance) once() bool {
	cmd := i.command()
	cmd.Stdout, cmd.Stderr = i.log, i.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	i.mu.Lock()
	if i.stopped {
		i.mu.Unlock()
		return false
	}
	err := cmd.Start()
	i.process = cmd.Process
	i.mu.Unlock()
	if err != nil {
		fmt.Fprintln(i.log, err)
		return true
	}
	cmd.Wait() //nolint:errcheck // how it ended is counted
	i.mu.Lock()
	defer i.mu.Unlock()
	i.process = nil
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		i.exits[code]++
	}
	return !i.stopped
}

// signal sends a signal to the sidecar, which may just be between two lives.
func (i *instance) signal(s os.Signal) error {
	return eventually(context.Background(), "signal the sidecar", func() error {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.process == nil {
			return os.ErrProcessDone
		}
		return i.process.Signal(s)
	})
}

// stop kills the sidecar for good and waits until it is gone.
func (i *instance) stop() {
	i.mu.Lock()
	if i.stopped {
		i.mu.Unlock()
		return
	}
	i.stopped = true
	if i.process != nil {
		i.process.Kill() //nolint:errcheck // it may have ended
	}
	i.mu.Unlock()
	<-i.done
	i.log.Close() //nolint:errcheck // nothing is written any more
}
