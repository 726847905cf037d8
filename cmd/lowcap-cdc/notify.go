package main

import (
	"lowcap-cdc/cmd/lowcap-cdc/internal/notify"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

type notifyCommand struct{ notify.Options }

// Run delivers events until it is told to stop.
func (c *notifyCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if err := c.Check(string(s.Config)); err != nil {
		return err
	}
	if c.Test { // which reads nothing
		ctx, stop := settings.UntilSignal(std.Err)
		defer stop()
		return notify.Run(ctx, nil, s, &c.Options, std.Out, s.Logger(std.Err))
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	return notify.Run(ctx, reader, s, &c.Options, std.Out, s.Logger(std.Err))
}
