package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

const (
	shortestWait = 200 * time.Millisecond
	longestWait  = 10 * time.Second
	standbyEvery = time.Second
)

// supervisor starts pipelines.
type supervisor struct {
	settings  *Settings
	until     decode.LSN
	repair    bool   // reconcile when the slot is lost
	reconcile string // why to begin with a reconcile; empty for not
	out       io.Writer
	log       zerolog.Logger
	monitor   *monitor
	manager   systemd
	started   bool // a pipeline has moved something: the configuration is right
	resumed   bool // the sink holds what an earlier run wrote: the configuration was right
	standby   bool
	wait      time.Duration // before the next attempt
	memory    memory
}

// run goes on until a pipeline ends as it should, or with what another one cannot mend.
func (v *supervisor) run(ctx context.Context) error {
	v.wait = shortestWait
	for {
		before := v.monitor.commits()
		err := v.attempt(ctx)
		if err == nil || ctx.Err() != nil {
			v.log.Info().Stringer("lsn", v.monitor.place()).Msg("stopped")
			return nil
		}
		if v.monitor.commits() > before {
			v.started, v.wait = true, shortestWait
		}
		if err := v.next(ctx, err); err != nil {
			return err
		}
	}
}

// next decides what follows the error that ended a pipeline, and waits for as long as that needs. It returns the error
// when nothing may follow.
func (v *supervisor) next(ctx context.Context, err error) error {
	var lost *pg.LostError
	switch {
	case errors.Is(err, pg.ErrSlotActive):
		v.waitAsStandby(ctx, err)
	case errors.As(err, &lost) && v.repair && v.reconcile == "":
		v.log.Warn().Str("why", lost.Why).Msg("changes are lost to the stream; reconciling with a new slot")
		v.reconcile = lost.Why
	case sink.IsCluster(err) && (v.started || (v.resumed && v.until == 0)):
		// It worked before: what was taken away may be given back, and then it goes on without anybody's help.
		v.again(ctx, zerolog.ErrorLevel, err)
	case isPermanent(err), !v.started:
		return err
	default:
		v.again(ctx, zerolog.WarnLevel, err)
	}
	return nil
}

func (v *supervisor) again(ctx context.Context, level zerolog.Level, err error) {
	v.monitor.restarted(err)
	v.manager.tell(saysRestart)
	v.log.WithLevel(level).Err(err).Stringer("lsn", v.monitor.place()).Stringer("retry_in", v.wait).Msg("pipeline ended; starting again from the last commit")
	sleep(ctx, v.wait/2+rand.N(v.wait/2))
	v.wait = min(2*v.wait, longestWait)
}

func (v *supervisor) waitAsStandby(ctx context.Context, err error) {
	if !v.standby {
		v.log.Info().Stringer("lsn", v.monitor.place()).Str("reason", err.Error()).Msg("standby: waiting for the slot")
		v.manager.tell(saysStandby)
	}
	v.standby, v.started = true, true
	v.monitor.setStandby(true)
	sleep(ctx, standbyEvery)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// attempt runs one pipeline from a new source into a new sink.
func (v *supervisor) attempt(ctx context.Context) (err error) {
	to, err := v.settings.openSink(v.out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if k, ok := to.(*kafka.Sink); ok {
		created, err := k.EnsureTopics(ctx)
		if err != nil {
			return err
		}
		for _, topic := range created {
			v.log.Info().Str("topic", topic).Msg("topic created")
		}
	}
	config := v.settings.source()
	config.Notice = func(text string) { v.log.Warn().Msg(text) }
	from := pg.New(config)
	defer func() { err = errors.Join(err, from.Close()) }()
	p := &cdc.Pipeline{Source: v.monitor.source(from, v.begun), Sink: v.monitor.sink(&statefulSink{Sink: to, memory: &v.memory, log: v.log}), Slot: v.settings.slot(), Until: v.until, Reconcile: v.reconcile, Observe: v.observe}
	if !v.standby { // which tries once a second
		v.log.Info().Str("slot", v.settings.slot()).Str("sink", redact(v.settings.Sink)).Msg("starting")
	}
	return p.Run(ctx)
}

// begun runs when the source has begun: to stream from a place on, or with a snapshot.
func (v *supervisor) begun(start cdc.Start) {
	if v.standby {
		v.log.Info().Stringer("lsn", start.Known.LSN).Msg("took over")
		v.standby = false
		v.monitor.setStandby(false)
	}
	if start.Resume != 0 {
		v.resumed = true
		v.log.Info().Stringer("lsn", start.Resume).Msg("streaming")
		v.manager.tell(saysStreaming)
		v.monitor.streams(start.Resume)
	}
}

// observe runs after every commit.
func (v *supervisor) observe(p cdc.Progress) {
	if !v.monitor.ready() && !p.Snapshot {
		v.log.Info().Stringer("lsn", p.Checkpoint.LSN).Int("images", p.Images).Msg("streaming")
		v.manager.tell(saysStreaming)
	}
	if !p.Snapshot {
		v.reconcile = "" // the snapshot that it asked for is in the sink
	}
	v.memory.holds(p.Images, p.ImageBytes)
	v.warn(p.Events)
	v.monitor.observe(p)
	v.log.Debug().Stringer("lsn", p.Checkpoint.LSN).Int("events", len(p.Events)).Bool("snapshot", p.Snapshot).Msg("committed")
}

// warn logs what an operator must not miss, once for each event.
func (v *supervisor) warn(events []cdc.Event) {
	for i := range events {
		e := &events[i]
		if topic := schemas.TopicOf(e.Type); topic == schemas.Control && schemas.SeverityOf(e.Type) == schemas.Warn {
			v.log.Warn().RawJSON("event", e.Value).Msg("published to the control topic")
		}
	}
}
