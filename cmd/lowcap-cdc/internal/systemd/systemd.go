// Package systemd tells the service manager how the process does (sd_notify).
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// What systemd is told. The first of the two that say READY ends the start of the unit; a standby is as ready as it gets.
const (
	Streaming = "READY=1\nSTATUS=streaming"
	Standby   = "READY=1\nSTATUS=standby: another instance uses the slot"
	Restart   = "STATUS=starting again after an error; the log has it"
	Stopping  = "STOPPING=1"
	Alive     = "WATCHDOG=1"
)

// Manager is the service manager that started this process and follows its state (sd_notify). The zero value is none.
type Manager struct {
	socket   string
	watchdog time.Duration // Alive must come within it; 0 for never
	log      zerolog.Logger
}

// From reads what systemd has put into the environment.
func From(getenv func(string) string, log zerolog.Logger) Manager {
	s := Manager{socket: getenv("NOTIFY_SOCKET"), log: log}
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return s // the watchdog waits for another process
	}
	if us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
		s.watchdog = time.Duration(us) * time.Microsecond
	}
	return s
}

// Tell sends a message. One that is lost is only logged: events flow all the same, and a watchdog that hears nothing acts.
func (s *Manager) Tell(state string) {
	if s.socket == "" {
		return
	}
	if err := s.send(state); err != nil {
		first, _, _ := strings.Cut(state, "\n")
		s.log.Warn().Err(err).Msg("systemd was not told " + first)
	}
}

func (s *Manager) send(state string) error {
	conn, err := net.Dial("unixgram", s.socket) // a leading @ means an abstract socket, to systemd and to net
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer conn.Close() //nolint:errcheck // a datagram was sent or not
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// Follow feeds the watchdog as long as stuck says nothing, and announces the stop when ctx ends. The function that it
// returns ends both and waits for them.
func (s *Manager) Follow(ctx context.Context, stuck func(now time.Time) string) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var started sync.WaitGroup
	started.Go(func() {
		s.keepAlive(ctx, stuck)
		<-ctx.Done()
		s.Tell(Stopping)
	})
	return func() { cancel(); started.Wait() }
}

// keepAlive feeds the watchdog as long as stuck says nothing, until ctx ends.
func (s *Manager) keepAlive(ctx context.Context, stuck func(now time.Time) string) {
	if s.socket == "" || s.watchdog == 0 {
		return
	}
	tick := time.NewTicker(s.watchdog / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if why := stuck(now); why != "" {
				s.log.Error().Str("reason", why).Msg("the watchdog is not fed any more")
				continue
			}
			s.Tell(Alive)
		}
	}
}
