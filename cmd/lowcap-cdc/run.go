package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

const (
	stopWithin   = 10 * time.Second
	shortestWait = 200 * time.Millisecond
	longestWait  = 10 * time.Second
	standbyEvery = time.Second
)

type runCommand struct {
	Until string `help:"Handle everything committed before this point, confirm it, and exit: now, or an LSN." placeholder:"now|LSN"`

	serverFlags

	Reconcile bool `help:"After a lost slot do what reconcile does, on the same system only; otherwise stop." default:"true" negatable:""`
}

// Run is the supervisor. A pipeline never retries: whatever fails ends it, and here it is decided whether the next one
// may help, and when.
func (r *runCommand) Run(s *Settings, std *streams) error {
	if err := s.validate(); err != nil {
		return err
	}
	ctx, stop := untilSignal(std.err)
	defer stop()
	monitor := newMonitor()
	log := monitor.logger(s.logger(std.err))
	until, err := r.until(ctx, s)
	if err != nil {
		return err
	}
	closeServer, err := r.serve(monitor, log)
	if err != nil {
		return err
	}
	defer closeServer()
	monitor.watch(s.source())
	defer monitor.close()
	return (&supervisor{settings: s, until: until, repair: r.Reconcile, out: std.out, log: log, monitor: monitor}).run(ctx)
}

func (r *runCommand) until(ctx context.Context, s *Settings) (decode.LSN, error) {
	switch r.Until {
	case "":
		return 0, nil
	case "now":
		return pg.Now(ctx, s.source())
	}
	lsn, err := pglogrepl.ParseLSN(r.Until)
	if err != nil {
		return 0, &usageError{fmt.Errorf("--until %q is neither now nor an LSN like 0/16B3748", r.Until)}
	}
	return lsn, nil
}

// untilSignal returns a context that ends with SIGINT or SIGTERM. The batch in hand may take stopWithin; after that, or
// at a second signal, the process goes at once: that loses nothing, it is what a crash is.
func untilSignal(errOut io.Writer) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		select {
		case <-again:
		case <-time.After(stopWithin):
		}
		fmt.Fprintln(errOut, "lowcap-cdc: stopped at once; the batch in hand will be published by the next run")
		os.Exit(exitFailed)
	})
	return ctx, stop
}

// supervisor starts pipelines.
type supervisor struct {
	settings  *Settings
	until     decode.LSN
	repair    bool   // reconcile when the slot is lost
	reconcile string // why to begin with a reconcile; empty for not
	out       io.Writer
	log       zerolog.Logger
	monitor   *monitor
	started   bool // a pipeline has moved something: the configuration is right
	standby   bool
}

func (v *supervisor) run(ctx context.Context) error {
	wait := shortestWait
	for {
		before := v.monitor.commits()
		err := v.attempt(ctx)
		if err == nil || ctx.Err() != nil {
			v.log.Info().Stringer("lsn", v.monitor.place()).Msg("stopped")
			return nil
		}
		moved := v.monitor.commits() > before
		v.started = v.started || moved
		if moved {
			wait = shortestWait
		}
		var lost *pg.LostError
		switch {
		case errors.Is(err, pg.ErrSlotActive):
			v.waitAsStandby(ctx, err)
			continue
		case errors.As(err, &lost) && v.repair && v.reconcile == "":
			v.log.Warn().Str("why", lost.Why).Msg("changes are lost to the stream; reconciling with a new slot")
			v.reconcile = lost.Why
			continue
		case isPermanent(err), !v.started:
			return err
		}
		v.monitor.restarted(err)
		v.log.Warn().Err(err).Stringer("lsn", v.monitor.place()).Stringer("retry_in", wait).Msg("pipeline ended; starting again from the last commit")
		sleep(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, longestWait)
	}
}

func (v *supervisor) waitAsStandby(ctx context.Context, err error) {
	if !v.standby {
		v.log.Info().Stringer("lsn", v.monitor.place()).Str("reason", err.Error()).Msg("standby: waiting for the slot")
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
	if k, ok := to.(*sink.Kafka); ok {
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
	p := &cdc.Pipeline{Source: v.monitor.source(from), Sink: v.monitor.sink(to), Slot: v.settings.slot(), Until: v.until, Reconcile: v.reconcile, Observe: v.observe}
	v.log.Info().Str("slot", v.settings.slot()).Str("sink", redact(v.settings.Sink)).Msg("starting")
	return p.Run(ctx)
}

// observe runs after every commit.
func (v *supervisor) observe(p cdc.Progress) {
	if v.standby {
		v.log.Info().Stringer("lsn", p.Checkpoint.LSN).Msg("took over")
		v.standby = false
		v.monitor.setStandby(false)
	}
	if !v.monitor.ready() && !p.Snapshot {
		v.log.Info().Stringer("lsn", p.Checkpoint.LSN).Int("images", p.Images).Msg("streaming")
	}
	if !p.Snapshot {
		v.reconcile = "" // the snapshot that it asked for is in the sink
	}
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
