package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/sink/kafka"
)

type teardownCommand struct {
	Yes bool `help:"Do not ask."`
}

// Run drops what the sidecar has made in the database, and says what stays.
func (c *teardownCommand) Run(s *Settings, std *streams) error {
	if err := s.validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	fmt.Fprintf(std.out, "slot %q and publication %q will be dropped; what changes after that is never published\n", s.Slot, s.Publication)
	if !c.Yes {
		fmt.Fprintf(std.out, "type the slot's name to go on: ")
		answer, _ := bufio.NewReader(std.in).ReadString('\n') // an input that ends is no consent
		if strings.TrimSpace(answer) != s.Slot {
			return &usageError{errors.New("nothing was dropped: that is not the slot's name")}
		}
	}
	dropped, err := pg.Teardown(ctx, s.source())
	for _, what := range dropped {
		fmt.Fprintln(std.out, "dropped", what)
	}
	if err != nil {
		return err
	}
	return c.stays(s, std)
}

func (c *teardownCommand) stays(s *Settings, std *streams) error {
	fmt.Fprintln(std.out, "stays   the two tables, and the role with its rights")
	to, err := s.openSink(std.out)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // nothing was written
	k, ok := to.(*kafka.Sink)
	if !ok {
		fmt.Fprintln(std.out, "stays   what is in", redact(s.Sink))
		return nil
	}
	for _, topic := range k.Topics() {
		fmt.Fprintln(std.out, "stays   topic", topic)
	}
	return nil
}
