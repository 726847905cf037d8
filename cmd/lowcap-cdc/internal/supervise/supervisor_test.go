package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/decode"
	"lowcap-cdc/sink"
)

// TestWhatFollows: what a pipeline's end leads to, by how far it had come and by what ended it.
func TestWhatFollows(t *testing.T) {
	transient, cluster := errors.New("connection refused"), error(&sink.ClusterError{Err: errors.New("the cluster refuses")})
	for name, c := range map[string]struct {
		until   decode.LSN
		resumed decode.LSN // 0: it did not come so far
		err     error
		ends    bool
	}{
		"never begun": {err: transient, ends: true},
		"never begun, and the cluster is at fault": {err: cluster, ends: true},
		"idle since a restart":                     {resumed: 1, err: transient},
		"idle, and the cluster is at fault":        {resumed: 1, err: cluster},
		"idle, and the slot is another's":          {resumed: 1, err: pg.ErrSlotActive},
		"damaged":                                  {resumed: 1, err: sink.ErrCorrupt, ends: true},
		"with an end":                              {until: 2, resumed: 1, err: transient, ends: true},
		"with an end, the cluster at fault":        {until: 2, resumed: 1, err: cluster, ends: true},
		"standby":                                  {err: pg.ErrSlotActive},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that nothing is waited for
		v := &Supervisor{Monitor: monitor.New("test"), Log: zerolog.Nop(), Until: c.until, wait: shortestWait}
		if c.resumed != 0 {
			v.hooks().Started(cdc.Start{Resume: c.resumed})
		}
		if err := v.next(ctx, c.err); (err != nil) != c.ends {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWaitsForTheSlot: whoever has asked for something once is told once that it is not done before the other instance is stopped.
func TestWaitsForTheSlot(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that nothing is waited for
	for want, v := range map[string]*Supervisor{
		"standby: waiting for the slot": {},
		"not done before it is stopped": {Adopt: true},
		"is not done before":            {Reconcile: "asked for"},
	} {
		var log bytes.Buffer
		v.Monitor, v.Log = monitor.New("test"), zerolog.New(&log)
		for range 3 {
			if err := v.next(ctx, fmt.Errorf("process 7: %w", pg.ErrSlotActive)); err != nil {
				t.Error(err)
			}
		}
		if strings.Count(log.String(), want) != 1 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "process 7") {
			t.Errorf("%q, want %q", log.String(), want)
		}
	}
}

// TestReconcileIsDecidedAnew: a slot that was found lost is another one's business once another instance holds it. The standby
// must not reconcile when it takes over: that would drop a slot that has everything.
func TestReconcileIsDecidedAnew(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that nothing is waited for
	lost := &pg.LostError{Why: "past the checkpoint"}
	for name, second := range map[string]error{"standby": pg.ErrSlotActive, "fenced": sink.ErrFenced} {
		v := &Supervisor{Monitor: monitor.New("test"), Log: zerolog.Nop(), Repair: true, started: true, wait: shortestWait}
		if err := v.next(ctx, lost); err != nil || v.lost == "" {
			t.Fatalf("%s: a lost slot: %v, reconciles because of %q", name, err, v.lost)
		}
		if err := v.next(ctx, second); err != nil || v.lost != "" {
			t.Errorf("%s: %v, still reconciles because of %q", name, err, v.lost)
		}
		if err := v.next(ctx, lost); err != nil || v.lost == "" {
			t.Errorf("%s: lost again: %v, reconciles because of %q", name, err, v.lost)
		}
		if err := v.next(ctx, lost); err == nil {
			t.Errorf("%s: a reconcile that finds the slot lost again goes on for ever", name)
		}
	}
}

// TestFencedInTheMiddleOfAReconcile: the slot that it finds then is the other instance's, which has made it anew. That asks for no
// operator.
func TestFencedInTheMiddleOfAReconcile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that nothing is waited for
	lost := &pg.LostError{Why: "past the checkpoint"}
	v := &Supervisor{Monitor: monitor.New("test"), Log: zerolog.Nop(), Repair: true, started: true, wait: shortestWait}
	if err := v.next(ctx, lost); err != nil || v.lost == "" {
		t.Fatalf("a lost slot: %v, reconciles because of %q", err, v.lost)
	}
	if err := v.next(ctx, errors.Join(lost, sink.ErrFenced)); err != nil || v.lost != "" {
		t.Errorf("%v, still reconciles because of %q", err, v.lost)
	}
}

// TestAdoptsOnce: once an adoption is in the sink, nobody has agreed to another one. A server that is promoted meanwhile is looked at as
// by any run.
func TestAdoptsOnce(t *testing.T) {
	v := &Supervisor{Monitor: monitor.New("test"), Log: zerolog.Nop(), Adopt: true}
	v.hooks().Committed(cdc.Progress{Snapshot: true})
	if !v.Adopt {
		t.Error("the adoption is forgotten in the middle of its snapshot")
	}
	v.hooks().Committed(cdc.Progress{})
	if v.Adopt {
		t.Error("the next pipeline would adopt whatever it meets")
	}
}

// TestStandbyLeavesTheSinkAlone: a standby asks Postgres each second whether the slot is free, and the sink now and then. An instance
// that is none looks at both.
func TestStandbyLeavesTheSinkAlone(t *testing.T) {
	var asked error
	v := &Supervisor{Monitor: monitor.New("test"), standby: true, reached: time.Now(), Settings: &settings.Settings{
		Postgres: "postgres://cdc@db/app?sslmode=disable", Slot: "slot", Dial: settings.Dialers{
			Postgres: func(context.Context, string, string) (net.Conn, error) {
				asked = errors.ErrUnsupported
				return nil, asked
			},
			Kafka: func(context.Context, string, string) (net.Conn, error) {
				t.Error("asked Kafka")
				return nil, errors.ErrUnsupported
			}}}}
	var part *cdc.PartError
	if err := v.attempt(t.Context()); asked == nil || !errors.As(err, &part) || part.Part != cdc.PartSource {
		t.Errorf("asked Postgres: %v; %v", asked, err)
	}
	v.reached = time.Now().Add(-reachEvery)
	if err := v.rest(t.Context()); err != nil || v.lookout != nil {
		t.Errorf("it has not looked at the sink for a while: %v; keeps its connection for looking: %v", err, v.lookout != nil)
	}
	v.standby, v.reached = false, time.Now()
	if err := v.rest(t.Context()); err != nil {
		t.Errorf("it is no standby: %v", err)
	}
}
