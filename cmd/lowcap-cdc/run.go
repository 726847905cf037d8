package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/decode"
)

const stopWithin = 10 * time.Second

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
	closeServer, err := r.serve(s, monitor, log)
	if err != nil {
		return err
	}
	defer closeServer()
	monitor.watch(s.source())
	defer monitor.close()
	manager := systemdFrom(os.Getenv, log)
	go manager.keepAlive(ctx, monitor.loop.stuck)
	context.AfterFunc(ctx, func() { manager.tell(saysStopping) })
	return (&supervisor{settings: s, until: until, repair: r.Reconcile, out: std.out, log: log, monitor: monitor, manager: manager}).run(ctx)
}

func (r *runCommand) until(ctx context.Context, s *Settings) (decode.LSN, error) {
	switch r.Until {
	case "":
		return 0, nil
	case "now":
		return pg.Now(ctx, s.source())
	}
	lsn, err := decode.ParseLSN(r.Until)
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
