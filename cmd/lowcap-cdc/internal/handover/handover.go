// Package handover is the verb handover: before a planned change of the server it takes in everything, and notes that this was all.
package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/supervise"
)

// stillFor is how long the tables must have been still before a server is handed over.
const stillFor = 3 * time.Second

// Run takes in everything that is committed, confirms it, and notes in the sink that this was all: whoever adopts another server
// then has no gap where its rows are what they were. Each part of it is run by a supervisor of its own.
func Run(ctx context.Context, s *settings.Settings, std *settings.Streams, supervisor func() (*supervise.Supervisor, error)) error {
	if err := precondition(ctx, s); err != nil {
		return err
	}
	if _, err := drain(ctx, s, supervisor, false); err != nil {
		return err
	}
	select { // whoever still writes is seen in this time
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(stillFor):
	}
	last, err := drain(ctx, s, supervisor, false)
	if err != nil {
		return err
	}
	if last.events > 0 {
		return settings.Repair(fmt.Errorf("%d events in the last %s: the tables are still written to; stop the writers, and run: lowcap-cdc handover",
			last.events, stillFor))
	}
	if last, err = drain(ctx, s, supervisor, true); err != nil {
		return err
	}
	fmt.Fprintf(std.Out, "handed over: everything up to %s (%s) is in the sink and confirmed, %d events\n", last.at.LSN,
		last.at.Time.UTC().Format(time.RFC3339), last.at.Events.Number)
	fmt.Fprintf(std.Out, "from now on nothing may write to database %q of this server: it can be frozen, upgraded, dumped or switched\n", last.at.Database)
	fmt.Fprintln(std.Out, "then, with --postgres naming the new server and before anything writes there: lowcap-cdc reconcile --adopt")
	_, err = fmt.Fprintln(std.Out, "or, to go on with this one: lowcap-cdc run")
	return err
}

// precondition refuses beside an instance, and without a slot that could bring everything.
func precondition(ctx context.Context, s *settings.Settings) error {
	slot, err := pg.InspectOnce(ctx, s.Source())
	switch {
	case err != nil:
		return err
	case slot.Active:
		return settings.Repair(fmt.Errorf("an instance reads from slot %q; stop it first", s.Slot))
	case slot.Lost() != "":
		return settings.Repair(errors.New(slot.Lost() + "; run: lowcap-cdc reconcile"))
	}
	return nil
}

// drained is what one run took in.
type drained struct {
	events int
	at     cdc.Checkpoint
}

// drain takes in what is committed now.
func drain(ctx context.Context, s *settings.Settings, supervisor func() (*supervise.Supervisor, error), last bool) (d drained, err error) {
	until, err := pg.End(ctx, s.Source())
	if err != nil {
		return d, err
	}
	v, err := supervisor()
	if err != nil {
		return d, err
	}
	v.Until, v.Still, v.HandOver = until, true, last
	v.Hooks = cdc.Tee(v.Hooks, cdc.Hooks{Committed: func(p cdc.Progress) {
		d.events += len(p.Events)
		d.at = p.Checkpoint
	}})
	if err := v.Run(ctx); err != nil {
		return d, err
	}
	if last && !d.at.HandedOver {
		return d, errors.New("stopped before everything was taken in; run: lowcap-cdc handover")
	}
	return d, nil
}
