package main

import "lowcap-cdc/cdc/pg"

type reconcileCommand struct{}

// Run makes a new slot with a new snapshot, publishes how the snapshot differs from what the sink knows, and says in
// one stream.gap which part of the WAL was never seen. It ends when the sink has all of it; run goes on from there.
func (*reconcileCommand) Run(s *Settings, std *streams) error {
	if err := s.validate(); err != nil {
		return err
	}
	ctx, stop := untilSignal(std.err)
	defer stop()
	monitor := newMonitor()
	log := monitor.logger(s.logger(std.err))
	until, err := pg.Now(ctx, s.source())
	if err != nil {
		return err
	}
	v := &supervisor{settings: s, until: until, reconcile: "reconcile was asked for: the slot could not continue the stream",
		out: std.out, log: log, monitor: monitor}
	return v.run(ctx)
}
