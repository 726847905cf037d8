package main

import (
	"context"
	"fmt"

	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink/kafka"
)

type teardownCommand struct {
	Yes bool `help:"Do not ask."`
}

// Run drops what the sidecar has made in the database, and says what stays.
func (c *teardownCommand) Run(s *settings.Settings, std *settings.Streams) error {
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
	dropped, err := pg.Teardown(ctx, s.Source())
	for _, what := range dropped {
		fmt.Fprintln(std.Out, "dropped", what)
	}
	if err != nil {
		return err
	}
	return c.stays(s, std)
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
