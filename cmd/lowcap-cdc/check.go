package main

import (
	"context"
	"errors"
	"fmt"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

type checkCommand struct{}

// Run prints a line for each precondition.
func (*checkCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if err := s.Require(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	failed := 0
	line := func(f check.Finding) {
		switch f.Severity {
		case check.OK:
			fmt.Fprintf(std.Out, "ok    %-28s %s\n", f.Name, f.Detail)
		case check.Warn:
			fmt.Fprintf(std.Out, "warn  %-28s %s; run: %s\n", f.Name, f.Detail, f.Repair)
		default:
			failed++
			fmt.Fprintf(std.Out, "FAIL  %-28s %s; run: %s\n", f.Name, f.Detail, f.Repair)
		}
	}
	for _, f := range pg.Check(ctx, s.Source()) {
		line(f)
	}
	to, err := s.OpenSink(std.Out)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // nothing was committed
	if c, ok := to.(interface {
		Check(context.Context) []check.Finding
	}); ok {
		for _, f := range c.Check(ctx) {
			line(f)
		}
	}
	if f, held := checkState(ctx, s); held {
		line(f)
	}
	if failed > 0 {
		return fmt.Errorf("%d of the checks failed: %w", failed, settings.ErrNotReady)
	}
	return nil
}

// checkState says whether the state that the sink holds, if it holds one, is whole and of this slot and schema.
func checkState(ctx context.Context, s *settings.Settings) (f check.Finding, held bool) {
	reader, done, err := s.Reader()
	if err != nil {
		return f, false // a sink that keeps nothing
	}
	defer done()
	state := cdc.NewState()
	if err = reader.ReadState(ctx, state.Load); err == nil {
		err = errors.Join(state.Checkpoint.CheckSource(s.Slot, cdc.Identity{Schema: s.Schema}), state.Verify())
	}
	if other := new(cdc.OtherSourceError); errors.As(err, &other) {
		return check.Finding{Name: "state", Severity: check.Fail, Detail: err.Error(), Repair: "lowcap-cdc check --" + other.What + " " + other.Holds}, true
	}
	if cdc.IsPermanent(err) {
		return check.Finding{Name: "state", Severity: check.Fail, Detail: err.Error(), Repair: "lowcap-cdc reconcile"}, true
	}
	rows, _ := state.Images()
	return check.Finding{Name: "state", Severity: check.OK, Detail: fmt.Sprintf("%d rows known", rows)}, err == nil && rows > 0
}
