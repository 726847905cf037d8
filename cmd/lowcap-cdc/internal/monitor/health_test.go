package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/decode"
	"lowcap-cdc/sink"
)

// hung is a sink that takes a commit and never answers, and a source that says nothing more: what real servers do only
// when their machine is gone.
type hung struct {
	cdc.Sink
	cdc.Source
	inside, release chan struct{}
}

func (h *hung) Commit(context.Context, *cdc.Batch) error {
	h.inside <- struct{}{}
	<-h.release
	return nil
}

func (h *hung) Buffered() bool { return false }

func (h *hung) Next(context.Context) (decode.Message, error) {
	h.inside <- struct{}{}
	<-h.release
	return nil, nil
}

func (h *hung) Close() error { return nil }

// TestStuckLoop lets a commit hang: within the sink's own budget the process is alive, after it it is dead. When the
// commit returns it is alive again.
func TestStuckLoop(t *testing.T) {
	m, h := New("test"), &hung{inside: make(chan struct{}), release: make(chan struct{})}
	for p, call := range map[phase]func(){
		committing: func() { m.Sink(h).Commit(t.Context(), nil) }, //nolint:errcheck // it returns nil
		reading:    func() { m.Source(h, nil).Next(t.Context()) }, //nolint:errcheck // it returns nil
	} {
		m.loop.enter(reading)
		go call()
		<-h.inside
		now, limit := time.Now(), phases[p].limit
		if why := m.loop.stuck(now.Add(limit - time.Second)); why != "" {
			t.Errorf("before its limit: %s", why)
		}
		if why := m.loop.stuck(now.Add(limit + time.Second)); !strings.Contains(why, phases[p].name) {
			t.Errorf("after its limit: %q", why)
		}
		before := m.loop.progress.Load()
		h.release <- struct{}{}
		for deadline := time.Now().Add(5 * time.Second); m.loop.progress.Load() == before; {
			if time.Now().After(deadline) {
				t.Fatal("no progress after the call has returned")
			}
		}
	}
}

func TestRestartCause(t *testing.T) {
	var l loop
	for want, err := range map[string]error{
		causeFenced: fmt.Errorf("commit: %w", sink.ErrFenced),
		causeSource: l.fail(causeSource, errors.New("connection reset")),
		causeOther:  errors.New("anything"),
	} {
		l.failed.Store(nil)
		if want == causeSource {
			l.fail(causeSource, err) //nolint:errcheck // it returns its argument
		}
		if got := l.cause(err); got != want {
			t.Errorf("%v: cause %s, want %s", err, got, want)
		}
	}
}

// TestQuietHour expects one line after an hour without any, and no second one at once.
func TestQuietHour(t *testing.T) {
	var out bytes.Buffer
	m := New("test")
	log := m.Logger(zerolog.New(&out))
	log.Info().Msg("streaming")
	m.lsn.Store(0x16B3748)
	m.heartbeat(time.Now().Add(59 * time.Minute))
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines within the hour: %s", n, &out)
	}
	m.heartbeat(time.Now().Add(61 * time.Minute))
	m.heartbeat(time.Now().Add(2 * time.Minute))
	if n := strings.Count(out.String(), "\n"); n != 2 || !strings.Contains(out.String(), `"lsn":"0/16B3748"`) {
		t.Errorf("%d lines after it: %s", n, &out)
	}
}

func TestReadyReasons(t *testing.T) {
	m := New("test")
	expect := func(want string) {
		t.Helper()
		if got := m.NotReady(time.Minute); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%q, want %q", got, want)
		}
	}
	expect("starting")
	m.Observe(cdc.Progress{Snapshot: true})
	expect("starting")
	m.Observe(cdc.Progress{})
	expect("")
	m.trend = *outage(120, nil)
	expect("lag: the sink is 1m55s behind")
	m.trend.add(pg.Inspection{Exists: true})
	expect("")
	m.SetStandby(true)
	expect("standby")
}
