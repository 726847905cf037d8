package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// What systemd is told. The first of the two that say READY ends the start of the unit; a standby is as ready as it gets.
const (
	saysStreaming = "READY=1\nSTATUS=streaming"
	saysStandby   = "READY=1\nSTATUS=standby: another instance uses the slot"
	saysRestart   = "STATUS=starting again after an error; the log has it"
	saysStopping  = "STOPPING=1"
	saysAlive     = "WATCHDOG=1"
)

// systemd is who started this process and wants to hear how it does (sd_notify). The zero value stands for nobody.
type systemd struct {
	socket   string
	watchdog time.Duration // saysAlive must come within it; 0 for never
	log      zerolog.Logger
}

// systemdFrom reads what systemd has put into the environment.
func systemdFrom(getenv func(string) string, log zerolog.Logger) systemd {
	s := systemd{socket: getenv("NOTIFY_SOCKET"), log: log}
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return s // the watchdog waits for somebody else
	}
	if us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
		s.watchdog = time.Duration(us) * time.Microsecond
	}
	return s
}

// tell sends a message. One that is lost is only logged: events flow all the same, and a watchdog that hears nothing acts.
func (s *systemd) tell(state string) {
	if s.socket == "" {
		return
	}
	if err := s.send(state); err != nil {
		first, _, _ := strings.Cut(state, "\n")
		s.log.Warn().Err(err).Msg("systemd was not told " + first)
	}
}

func (s *systemd) send(state string) error {
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

// keepAlive feeds the watchdog as long as stuck says nothing, until ctx ends.
func (s *systemd) keepAlive(ctx context.Context, stuck func(now time.Time) string) {
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
			s.tell(saysAlive)
		}
	}
}
