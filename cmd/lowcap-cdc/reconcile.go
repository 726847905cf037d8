package main

import (
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/supervise"
)

type reconcileCommand struct{}

// Run makes a new slot with a new snapshot, publishes how the snapshot differs from what the sink knows, and says in
// one stream.gap which part of the WAL was never seen. It ends when the sink has all of it; run goes on from there.
func (*reconcileCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if err := s.Require(); err != nil {
		return err
	}
	ctx, stop := settings.UntilSignal(std.Err)
	defer stop()
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
