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

// hung is a source and a sink that stop inside a call until they are released: what real servers do only when their
// machine is gone.
type hung struct {
	cdc.Sink
	cdc.Source
	inside, release chan struct{}
}

func (h *hung) wait() {
	h.inside <- struct{}{}
	<-h.release
}

func (h *hung) Free(context.Context) error { return nil }

func (h *hung) Resume(context.Context, func(string, []byte) error) error { return nil }

func (h *hung) Start(context.Context, cdc.Start) (cdc.Started, error) { return cdc.Started{}, nil }

func (h *hung) Buffered() bool { return false }

func (h *hung) Await(decode.Micros) {}

func (h *hung) Confirm(decode.LSN) {}

func (h *hung) Close() error { return nil }

// Next brings a keepalive, after which a commit is due.
func (h *hung) Next(context.Context) (decode.Message, error) {
	h.wait()
	return &decode.Progress{LSN: 0x100, Time: 60 * 1000000}, nil
}

func (h *hung) Commit(context.Context, *cdc.Batch) error {
	h.wait()
	return errors.New("the test is over")
}

// TestStuckLoop lets a pipeline hang, first while it reads and then while it commits. Within its limit the process is
// alive, after it it is stuck, and when it continues it is alive again.
func TestStuckLoop(t *testing.T) {
	m, h := New("test"), &hung{inside: make(chan struct{}), release: make(chan struct{})}
	ended := make(chan error)
	p := &cdc.Pipeline{Source: h, Sink: h, Slot: "s", Hooks: m.Hooks()}
	go func() { ended <- p.Run(t.Context()) }()
	for _, at := range []phase{reading, committing} {
		<-h.inside
		now, limit := time.Now(), phases[at].limit
		if why := m.loop.stuck(now.Add(limit - time.Second)); why != "" {
			t.Errorf("before its limit: %s", why)
		}
		if why := m.loop.stuck(now.Add(limit + time.Second)); !strings.Contains(why, phases[at].name) {
			t.Errorf("after its limit: %q", why)
		}
		if progressed := m.loop.progress.Load() != 0; progressed != (at == committing) {
			t.Errorf("%s: progress %v", phases[at].name, progressed)
		}
		h.release <- struct{}{}
	}
	if cause := causeOf(<-ended); cause != causeSink {
		t.Errorf("it ended in %s", cause)
	}
}

func TestRestartCause(t *testing.T) {
	for want, err := range map[string]error{
		causeFenced: &cdc.PartError{Part: cdc.PartSink, Err: fmt.Errorf("commit: %w", sink.ErrFenced)},
		causeSource: fmt.Errorf("joined: %w", &cdc.PartError{Part: cdc.PartSource, Err: errors.New("connection reset")}),
		causeOther:  errors.New("anything"),
	} {
		if got := causeOf(err); got != want {
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
	m.observe(cdc.Progress{Snapshot: true})
	expect("starting")
	m.observe(cdc.Progress{})
	expect("")
	m.trend = *outage(120, nil)
	expect("lag: the sink is 1m55s behind")
	m.trend.add(pg.Inspection{Exists: true})
	expect("")
	m.SetStandby()
	expect("standby")
}
