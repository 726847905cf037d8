package main

import (
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

type auditAtCommand struct {
	Place string `arg:"" help:"A time or an age, an LSN (what was committed before it), or an event's number." placeholder:"TIME|LSN|NUMBER"`
	Token string `arg:"" optional:"" help:"Only this token: a ticker, a contract, a position's id, or chain/contract/timeframe." placeholder:"TOKEN"`
	JSON  bool   `help:"Print it as JSON: blocked, pools, trades, exits_wanted." name:"json"`
}

// Run prints how everything stood.
func (c *auditAtCommand) Run(s *settings.Settings, std *settings.Streams) error {
	moment, err := audit.ParseMoment(c.Place, func(text string) (time.Time, bool) {
		p, err := settings.ParsePoint(text, time.Now())
		return p.Time, err == nil && !p.Time.IsZero()
	})
	if err != nil {
		return settings.Usage(err)
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	standing, err := audit.At(ctx, reader, moment, c.Token)
	if err != nil {
		return err
	}
	return standing.Print(std.Out, c.JSON)
}
