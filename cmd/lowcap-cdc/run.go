package main

import (
	"context"
	"errors"
	"os"

	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/page"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/supervise"
	"lowcap-cdc/cmd/lowcap-cdc/internal/systemd"
	"lowcap-cdc/decode"
	"lowcap-cdc/sink"
)

type runCommand struct {
	Until string `help:"Handle everything committed before this point, confirm it, and exit: now, or an LSN." placeholder:"now|LSN"`

	page.Flags

	Reconcile bool `help:"After a lost slot do what reconcile does, on the same system only; otherwise stop." default:"true" negatable:""`
}

// Run is the supervisor. A pipeline never retries: whatever fails ends it, and here it is decided whether the next one
// may help, and when.
func (r *runCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if err := s.Require(); err != nil {
		return err
	}
	ctx, stop := settings.UntilSignal(std.Err)
	defer stop()
	until, err := r.until()
	if err != nil {
		return err
	}
	m := monitor.New(s.Version)
	log := m.Logger(s.Logger(std.Err))
	hooks, stopServing, err := r.Serve(s, m, log, wholeLife)
	if err != nil {
		return err
	}
	defer stopServing()
	if r.Until == "now" {
		if until, err = pg.Now(ctx, s.Source()); err != nil {
			return err
		}
	}
	m.Watch(s.Source())
	defer m.Close()
	manager := systemd.From(os.Getenv, log)
	defer manager.Follow(ctx, m.Stuck)()
	v := &supervise.Supervisor{Settings: s, Until: until, Repair: r.Reconcile, Out: std.Out, Log: log,
		Monitor: m, Hooks: hooks, Manager: manager}
	return v.Run(ctx)
}

// until reads --until; 0 for none, and for now, which is another place each time.
func (r *runCommand) until() (decode.LSN, error) {
	if r.Until == "" || r.Until == "now" {
		return 0, nil
	}
	lsn, err := decode.ParseLSN(r.Until)
	if err != nil || lsn == 0 {
		return 0, settings.Usage(errors.New("--until is neither now nor an LSN like 0/16B3748"))
	}
	return lsn, nil
}

// wholeLife is the search of the page: a token's life from the first event to the last.
func wholeLife(ctx context.Context, reader sink.Reader, token string, visit func(*sink.Stored)) error {
	_, err := audit.Visit(ctx, reader, token, settings.Point{}, settings.Point{}, visit)
	return err
}
