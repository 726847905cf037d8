package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink/kafka"
)

type teardownCommand struct {
	Yes         bool `help:"Do not ask."`
	Attribution bool `help:"Take away what init --attribution has made, and nothing else; without a question."`
}

// Run drops what the sidecar has made in the database, and says what stays.
func (c *teardownCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if c.Attribution {
		return c.attribution(s, std)
	}
	if err := s.Require(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	fmt.Fprintf(std.Out, "slot %q and publication %q will be dropped; what changes after that is never published\n", s.Slot, s.Publication)
	if !c.Yes {
		if err := std.Confirm(s.Slot, "nothing was dropped"); err != nil {
			return err
		}
	}
	owned, err := ownsSlot(ctx, s)
	if err != nil {
		return err
	}
	dropped, err := pg.Teardown(ctx, s.Source(), owned)
	for _, what := range dropped {
		fmt.Fprintln(std.Out, "dropped", what)
	}
	if err != nil {
		return err
	}
	return c.stays(s, std)
}

// ownsSlot reports whether the sink holds the state of this slot. That it holds another's is an error.
func ownsSlot(ctx context.Context, s *settings.Settings) (bool, error) {
	reader, done, err := s.Reader()
	if err != nil {
		return false, err
	}
	defer done()
	state := cdc.NewState()
	err = reader.ReadState(ctx, func(key string, value []byte) error {
		if key != cdc.CheckpointKey {
			return nil
		}
		return state.Load(key, value)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look whose slot %q is; nothing was dropped: %w", s.Slot, err)
	}
	return state.Checkpoint.Slot == s.Slot, state.Checkpoint.CheckSource(s.Slot, cdc.Identity{})
}

// attribution drops only what records who makes each change: nothing is lost by that.
func (c *teardownCommand) attribution(s *settings.Settings, std *settings.Streams) error {
	if err := s.RequireDatabase(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	dropped, err := pg.TearDownAttribution(ctx, s.Source())
	for _, what := range dropped {
		fmt.Fprintln(std.Out, "dropped", what)
	}
	if err == nil && len(dropped) == 0 {
		fmt.Fprintln(std.Out, "nothing was there to be dropped")
	}
	return err
}

func (c *teardownCommand) stays(s *settings.Settings, std *settings.Streams) error {
	fmt.Fprintln(std.Out, "stays   the two tables, and the role with its rights")
	to, err := s.OpenSink(std.Out)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // nothing was written
	k, ok := to.(*kafka.Sink)
	if !ok {
		fmt.Fprintln(std.Out, "stays   what is in", settings.Redact(s.Sink))
		return nil
	}
	for _, topic := range k.Topics() {
		fmt.Fprintln(std.Out, "stays   topic", topic)
	}
	return nil
}
