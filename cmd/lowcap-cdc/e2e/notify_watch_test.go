package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lowcap-cdc/deploy/lab"
)

// toldWithin is how soon somebody must know that any one part is dead.
const toldWithin = 90 * time.Second

// overseer is who is told: a receiver, and a service that misses heartbeats. Its notify beats once a second.
type overseer struct {
	t      *testing.T
	told   chan string
	beaten atomic.Int64 // when the last heartbeat came, in nanoseconds since 1970
	log    *watched
	notify *exec.Cmd
}

// oversee starts notify on a sink, and waits until everything lives.
func (s *site) oversee(sink string) *overseer {
	s.t.Helper()
	o := &overseer{t: s.t, told: make(chan string, 100), log: newWatched("watching from")}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/beat" {
			o.beaten.Store(time.Now().UnixNano())
			return
		}
		body, _ := io.ReadAll(r.Body) //nolint:errcheck // a test
		o.told <- string(body)
	}))
	s.t.Cleanup(server.Close)
	config := filepath.Join(s.t.TempDir(), "notify.yaml")
	text := fmt.Sprintf("heartbeat: {url: '%[1]s/beat', every: 1s}\nroutes: [{name: hook, as: webhook, to: '%[1]s/hook'}]\n", server.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	o.notify = exec.CommandContext(s.t.Context(), shared.binary, "notify", "--sink", sink, "--slot", s.name+"s", "--topic-prefix", s.name+".",
		"--group", s.name, "--config", config, "--state", filepath.Join(s.t.TempDir(), "state"))
	o.notify.Stderr = o.log
	if err := o.notify.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { o.notify.Process.Kill(); o.notify.Wait() }) //nolint:errcheck // it may have ended
	waitFor(s.t, o.log, "watching from")
	o.until("a heartbeat", patience, func() bool { return o.beaten.Load() > 0 })
	return o
}

func (o *overseer) until(what string, within time.Duration, is func() bool) {
	o.t.Helper()
	tick, deadline := time.NewTicker(100*time.Millisecond), time.After(within)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			o.t.Fatalf("%s: not within %s: %s", what, within, o.log)
		}
	}
}

// hears waits for a message.
func (o *overseer) hears(want string, within time.Duration) {
	o.t.Helper()
	select {
	case text := <-o.told:
		if !strings.Contains(text, want) {
			o.t.Fatalf("it is told %s, want %q", text, want)
		}
	case <-time.After(within):
		o.t.Fatalf("nobody is told %q within %s: %s", want, within, o.log)
	}
}

// misses waits until no heartbeat has come for ten times as long as they are apart.
func (o *overseer) misses(within time.Duration) {
	o.t.Helper()
	o.until("the heartbeats end", within, func() bool { return time.Since(time.Unix(0, o.beaten.Load())) > 10*time.Second })
}

// starts starts a process that ends with the test.
func starts(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() }) //nolint:errcheck // it may have ended
	return cmd
}

// TestEachDeadPartIsTold kills one part after the other, each in a world of its own: somebody else knows within 90 seconds, and hears
// when it lives again. An idle stream is no dead one.
func TestEachDeadPartIsTold(t *testing.T) {
	t.Run("sidecar", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		to, _ := s.file("events")
		s.drain("s", to)
		sidecar := starts(t, s.command("s", to))
		o := s.oversee(to)
		select {
		case text := <-o.told:
			t.Fatalf("the stream lives and it is told %s", text)
		case <-time.After(70 * time.Second):
		}
		sidecar.Process.Kill() //nolint:errcheck // it runs
		o.hears("The stream does not move", toldWithin)
		o.misses(patience)
		starts(t, s.command("s", to))
		o.hears("The stream moves again", patience)
	})
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		server, err := lab.StartPostgres(t.Context(), "fsync=off")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
		s := newSiteOn(t, server)
		to, _ := s.file("events")
		s.drain("s", to)
		starts(t, s.command("s", to))
		o := s.oversee(to)
		if err := server.Stop(t.Context(), "immediate"); err != nil {
			t.Fatal(err)
		}
		o.hears("The stream does not move", toldWithin)
		o.misses(patience)
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.hears("The stream moves again", patience)
	})
	t.Run("broker", func(t *testing.T) {
		t.Parallel()
		broker, err := lab.StartKafka(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { broker.Close() }) //nolint:errcheck // the test is over
		s := newSite(t)
		to := "kafka://" + broker.Addr()
		s.drain("s", to)
		starts(t, s.command("s", to))
		o := s.oversee(to)
		if err := broker.Kill(); err != nil {
			t.Fatal(err)
		}
		o.hears("The stream does not move", toldWithin)
		o.misses(patience)
		if err := broker.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.hears("The stream moves again", patience)
	})
	t.Run("notify", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		to, _ := s.file("events")
		s.drain("s", to)
		starts(t, s.command("s", to))
		o := s.oversee(to)
		o.notify.Process.Kill() //nolint:errcheck // it runs
		o.misses(patience)
	})
}
