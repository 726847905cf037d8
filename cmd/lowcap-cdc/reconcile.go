package main

import (
	"context"
	"errors"
	"fmt"

	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/adopt"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/supervise"
)

type reconcileCommand struct {
	Yes    bool `help:"Do not ask, although the slot is healthy, or another server is adopted."`
	Adopt  bool `help:"Go on from this server, which is another one, or another name or state of it: after pg_upgrade, a dump and restore, a move, a rename, a restore to an earlier point, a promotion."`
	EvenSo bool `help:"With --adopt: also a server that has fewer than half of the known rows."`
}

// Run makes a new slot with a new snapshot, publishes how the snapshot differs from what the sink knows, and says in
// one stream.gap which part of the WAL was never seen. It ends when the sink has all of it; run continues from there.
func (c *reconcileCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if err := s.Require(); err != nil {
		return err
	}
	if c.EvenSo && !c.Adopt {
		return settings.Usage(errors.New("--even-so is for --adopt"))
	}
	ctx, stop := settings.UntilSignal(std.Err)
	defer stop()
	if c.Adopt {
		m := monitor.New(s.Version)
		return adopt.Run(ctx, std, adopt.Consent{Yes: c.Yes, EvenSo: c.EvenSo},
			&supervise.Supervisor{Settings: s, Out: std.Out, Log: m.Logger(s.Logger(std.Err)), Monitor: m})
	}
	if err := c.consent(ctx, s, std); err != nil {
		return err
	}
	s.WithoutEvents = true
	m := monitor.New(s.Version)
	log := m.Logger(s.Logger(std.Err))
	until, err := pg.Now(ctx, s.Source())
	if err != nil {
		return err
	}
	v := &supervise.Supervisor{Settings: s, Until: until, Reconcile: "reconcile was asked for: the slot could not continue the stream",
		Out: std.Out, Log: log, Monitor: m}
	return v.Run(ctx)
}

// consent refuses beside a running instance, and asks where the slot could continue the stream by itself.
func (c *reconcileCommand) consent(ctx context.Context, s *settings.Settings, std *settings.Streams) error {
	slot, err := pg.InspectOnce(ctx, s.Source())
	switch {
	case err != nil:
		return err
	case slot.Active:
		return settings.Repair(fmt.Errorf("an instance reads from slot %q; stop it first, "+
			"or let it reconcile by itself: run does when the slot is lost", s.Slot))
	case c.Yes || !slot.Exists || slot.WALStatus == "lost":
		return nil
	}
	fmt.Fprintf(std.Out, "slot %q is healthy: run continues the stream without a gap. A reconcile drops it, publishes one stream.gap, "+
		"and what happened between two states of a row is never told\n", s.Slot)
	return std.Confirm(s.Slot, "nothing was done")
}
