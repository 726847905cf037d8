// Package supervise starts pipelines and decides what follows the end of each.
package supervise

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/systemd"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

const (
	shortestWait = 200 * time.Millisecond
	longestWait  = 10 * time.Second
	standbyEvery = time.Second
	reachEvery   = 10 * time.Second
)

// Supervisor starts pipelines.
type Supervisor struct {
	Settings  *settings.Settings
	Until     decode.LSN
	Repair    bool   // reconcile when the slot is lost
	Reconcile string // why to begin with a reconcile; empty for not
	Adopt     bool   // go on from another server
	HandOver  bool   // note at the end that nothing is written behind it
	Still     bool   // write nothing into the WAL
	Batch     int    // events of a batch; 0 for the usual number
	Out       io.Writer
	Log       zerolog.Logger
	Monitor   *monitor.Monitor
	Hooks     cdc.Hooks // of others who follow the pipelines
	Manager   systemd.Manager
	Spread    func(time.Duration) time.Duration // draws by how much less instances wait that fail together; nil for at random

	snapshot snapshotWatch
	started  bool // a pipeline has moved something, or has resumed what an earlier run moved: the configuration is right
	standby  bool
	reached  time.Time     // when the sink was looked at last
	lookout  *pg.Lookout   // of a standby that rests; nil for none
	lost     string        // why the next pipeline begins with a reconcile, although nobody has asked for one; empty for not
	wait     time.Duration // before the next attempt
}

// Run starts one pipeline after the other, until one ends as it should, or with an error that a new one cannot mend.
func (v *Supervisor) Run(ctx context.Context) error {
	v.wait, v.snapshot.log = shortestWait, v.Log
	defer v.leave()
	for {
		before := v.Monitor.Commits()
		err := v.attempt(ctx)
		if err == nil || ctx.Err() != nil {
			v.Log.Info().Stringer("lsn", v.Monitor.Place()).Msg("stopped")
			return nil
		}
		if v.Monitor.Commits() > before {
			v.started, v.wait = true, shortestWait
		}
		if err := v.next(ctx, err); err != nil {
			return err
		}
	}
}

// next decides what follows the error that ended a pipeline, and waits for as long as that needs. It returns the error
// when nothing may follow.
func (v *Supervisor) next(ctx context.Context, err error) error {
	var lost *pg.LostError
	tried := v.lost
	v.lost = "" // meanwhile another instance may have repaired it, and streams: the next pipeline looks anew
	switch {
	case errors.Is(err, pg.ErrSlotActive):
		v.waitAsStandby(ctx, err)
	case errors.As(err, &lost) && v.Repair && v.Reconcile == "" && tried == "":
		v.Log.Warn().Str("why", lost.Why).Msg("changes are lost to the stream; reconciling with a new slot") // unless the next start knows better
		v.lost = lost.Why
	case errors.As(err, &lost) && errors.Is(err, sink.ErrFenced):
		// Another instance has taken over in the middle of our reconcile, and made the slot anew: the slot's place is its own.
		v.again(ctx, zerolog.WarnLevel, err)
	case sink.IsCluster(err) && v.started:
		// It worked before: once the right or the topic is back, the next pipeline works again, without an operator.
		v.again(ctx, zerolog.ErrorLevel, err)
	case settings.IsPermanent(err), !v.started:
		return err
	default:
		v.again(ctx, zerolog.WarnLevel, err)
	}
	return nil
}

func (v *Supervisor) again(ctx context.Context, level zerolog.Level, err error) {
	v.Monitor.Restarted(err)
	v.Manager.Tell(systemd.Restart)
	v.Log.WithLevel(level).Err(err).Stringer("lsn", v.Monitor.Place()).Stringer("retry_in", v.wait).
		Msg("pipeline ended; starting again from the last commit")
	spread := rand.N[time.Duration]
	if v.Spread != nil {
		spread = v.Spread
	}
	sleep(ctx, v.wait/2+spread(v.wait/2))
	v.wait = min(2*v.wait, longestWait)
}

func (v *Supervisor) waitAsStandby(ctx context.Context, err error) {
	switch {
	case v.standby:
	case v.Adopt || v.Reconcile != "":
		v.Log.Warn().Str("reason", err.Error()).Msg("waiting: another instance streams, and what was asked for is not done before it is stopped")
	default:
		v.Log.Info().Stringer("lsn", v.Monitor.Place()).Str("reason", err.Error()).Msg("standby: waiting for the slot")
		v.Manager.Tell(systemd.Standby)
	}
	v.standby, v.started = true, true
	v.Monitor.SetStandby()
	sleep(ctx, standbyEvery)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// attempt runs one pipeline from a new source into a new sink.
func (v *Supervisor) attempt(ctx context.Context) (err error) {
	if err := v.rest(ctx); err != nil {
		return err
	}
	v.reached = time.Now()
	to, err := v.Settings.OpenSink(v.Out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	hooks := v.hooks()
	if k, ok := to.(*kafka.Sink); ok {
		v.snapshot.limit = k.LongestSnapshot
		created, err := k.EnsureTopics(ctx)
		if err != nil {
			return err
		}
		for _, topic := range created {
			v.Log.Info().Str("topic", topic).Msg("topic created")
		}
		hooks = cdc.Tee(v.missed(created), hooks)
	}
	config := v.Settings.Source()
	config.Still, config.Whole = v.Still, v.HandOver
	config.Notice, config.Ignored = hooks.Notice, hooks.Ignored
	from := pg.New(config)
	defer func() { err = errors.Join(err, from.Close()) }()
	p := &cdc.Pipeline{Source: from, Sink: to, Slot: v.Settings.SlotName(), Until: v.Until, Reconcile: v.Reconcile, Repair: v.lost != "", Adopt: v.Adopt,
		HandOver: v.HandOver, Batch: v.Batch, Hooks: hooks}
	if !v.standby { // which tries once a second
		v.Log.Info().Str("slot", v.Settings.SlotName()).Str("sink", settings.Redact(v.Settings.Sink)).Msg("starting")
	}
	return p.Run(ctx)
}

// rest returns an error while a standby need not look at more than the slot. Now and then it looks at the sink as well, or nobody
// would know that it could not take over.
func (v *Supervisor) rest(ctx context.Context) error {
	if !v.standby || time.Since(v.reached) >= reachEvery {
		v.leave()
		return nil
	}
	v.Monitor.Hooks().Starting()
	if v.lookout == nil {
		v.lookout = pg.NewLookout(v.Settings.Source())
	}
	if err := v.lookout.Free(ctx); err != nil {
		return &cdc.PartError{Part: cdc.PartSource, Op: "start source", Err: err}
	}
	v.leave()
	return nil
}

// leave gives up the connection on which a standby looks: an instance that reads from the slot has no use for it.
func (v *Supervisor) leave() {
	if v.lookout != nil {
		v.lookout.Close()
		v.lookout = nil
	}
}

// missed returns hooks that say what it means that topics had to be created, once it is known that there is a history.
func (v *Supervisor) missed(created []string) cdc.Hooks {
	if len(created) == 0 {
		return cdc.Hooks{}
	}
	return cdc.Hooks{Started: func(start cdc.Start) {
		if number := start.Known.Events.Number; number > 0 {
			v.Log.Error().Strs("topics", created).Uint64("published", number).
				Msg("these topics were deleted: what had been published there is gone; lowcap-cdc audit verify names the events")
		}
	}}
}

// hooks tell everybody who follows a pipeline: first the supervisor, then the monitor, then the others.
func (v *Supervisor) hooks() cdc.Hooks {
	own := cdc.Hooks{Started: v.begun, Committed: v.observe, Notice: func(text string) { v.Log.Warn().Msg(text) }}
	return cdc.Tee(settings.Traced(), cdc.Tee(cdc.Tee(own, v.Monitor.Hooks()), v.Hooks))
}

// begun runs when the source has started: to stream from a place on, or with a snapshot.
func (v *Supervisor) begun(start cdc.Start) {
	if v.standby {
		v.Log.Info().Stringer("lsn", start.Known.LSN).Msg("took over")
		v.standby = false
	}
	if start.Resume != 0 {
		v.started = v.started || v.Until == 0 // a run with an end reports what it meets first to whoever has started it
		v.Log.Info().Stringer("lsn", start.Resume).Msg("streaming")
		v.Manager.Tell(systemd.Streaming)
	}
}

// observe runs after every commit.
func (v *Supervisor) observe(p cdc.Progress) {
	if !v.Monitor.Ready() && !p.Snapshot {
		v.Log.Info().Stringer("lsn", p.Checkpoint.LSN).Int("images", p.Images).Msg("streaming")
		v.Manager.Tell(systemd.Streaming)
	}
	if !p.Snapshot {
		v.Reconcile, v.lost, v.Adopt = "", "", false // what was asked for is in the sink, and asked for once
	}
	v.snapshot.observe(p, time.Now())
	v.warn(p.Events)
	v.Log.Debug().Stringer("lsn", p.Checkpoint.LSN).Int("events", len(p.Events)).Bool("snapshot", p.Snapshot).Msg("committed")
}

// warn logs what an operator must not miss, once for each event.
func (v *Supervisor) warn(events []cdc.Event) {
	for i := range events {
		e := &events[i]
		if topic := schemas.TopicOf(e.Type); topic == schemas.Control && e.Severity != schemas.Info {
			v.Log.Warn().RawJSON("event", e.Value).Msg("published to the control topic")
		}
	}
}
