package systemd

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/systemd/systemdtest"
)

// TestWatchdogStarves lets the loop be stuck: the watchdog must not be fed then, and be fed again afterwards.
func TestWatchdogStarves(t *testing.T) {
	manager := systemdtest.Listen(t)
	var log strings.Builder
	environment := map[string]string{"NOTIFY_SOCKET": manager.Path, "WATCHDOG_USEC": "30000"}
	s := From(func(name string) string { return environment[name] }, zerolog.New(&log))
	states := make(chan string)
	go s.keepAlive(t.Context(), func(time.Time) string {
		select {
		case state := <-states:
			return state
		case <-t.Context().Done():
			return "the test is over"
		}
	})
	states <- "stuck: committing"
	states <- "stuck: committing" // the first was handled when the second is asked for
	select {
	case message := <-manager.Heard:
		t.Errorf("stuck, and systemd hears %q", message)
	default:
	}
	states <- ""
	manager.Await(t, Alive)
	if !strings.Contains(log.String(), "stuck: committing") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}

func TestSystemdIsNotThere(t *testing.T) {
	var log strings.Builder
	nobody := From(func(string) string { return "" }, zerolog.New(&log))
	nobody.Tell(Streaming)
	if log.Len() > 0 {
		t.Errorf("without systemd: %s", log.String())
	}
	gone := From(func(string) string { return "/nonexistent" }, zerolog.New(&log))
	if gone.watchdog != 0 {
		t.Error("a watchdog that waits for another process is fed")
	}
	gone.Tell(Streaming)
	if !strings.Contains(log.String(), "READY=1") {
		t.Errorf("a message was lost in silence: %s", log.String())
	}
}
