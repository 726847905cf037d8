package main

import (
	"lowcap-cdc/cmd/lowcap-cdc/internal/notify"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

type notifyCommand struct{ notify.Options }

// Run delivers events until it is told to stop.
func (c *notifyCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if err := c.Check(); err != nil {
		return err
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	return notify.Run(ctx, reader, &c.Options, s.Logger(std.Err))
}
