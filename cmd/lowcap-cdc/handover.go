package main

import (
	"lowcap-cdc/cmd/lowcap-cdc/internal/handover"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/supervise"
)

type handoverCommand struct{}

// Run is the verb handover.
func (c *handoverCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if err := s.Require(); err != nil {
		return err
	}
	ctx, stop := settings.UntilSignal(std.Err)
	defer stop()
	return handover.Run(ctx, s, std, func() (*supervise.Supervisor, error) {
		m := monitor.New(s.Version)
		return &supervise.Supervisor{Settings: s, Out: std.Out, Log: m.Logger(s.Logger(std.Err)), Monitor: m}, nil
	})
}
