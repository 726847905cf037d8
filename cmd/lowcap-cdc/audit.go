package main

import (
	"fmt"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

type auditCommand struct {
	Token   auditTokenCommand   `cmd:"" default:"withargs" help:"The life of a token as a timeline: what blocked it, for how long, what unblocked it; buys, trims, exits, reverts; who."`
	Verify  auditVerifyCommand  `cmd:"" help:"Check that the sink holds every event once, in order and well-formed, and, with --seals, that nobody has rewritten it; exit 1 when not, 3 when its files are damaged."`
	At      auditAtCommand      `cmd:"" help:"How everything stood at a moment, by the events alone: blocked since when, why and by whom; pools, open trades, exits that were wanted."`
	Compare auditCompareCommand `cmd:"" help:"Compare what consumers believe, by the events alone, with what the tables hold; exit 1 when they differ."`
	Seal    auditSealCommand    `cmd:"" help:"Sign how far the trail has come, once or every few minutes; refuse, with exit 1, when it does not extend the last seal."`
	Keygen  auditKeygenCommand  `cmd:"" help:"Make the key that seals are signed with, and FILE.pub, which verifies them."`
	Prove   auditProveCommand   `cmd:"" help:"Write a proof that one event is in the sealed trail, which shows nothing of the others."`
}

type auditTokenCommand struct {
	Token  string `arg:"" help:"A ticker, a contract, a position's id, or chain/contract/timeframe." placeholder:"TOKEN|CONTRACT|POSITION"`
	From   string `help:"Begin here: an age, a time, or an LSN; --since is the same." placeholder:"1h|TIME|LSN" aliases:"since"`
	To     string `help:"End before this." placeholder:"1h|TIME|LSN"`
	Format string `help:"table, json or csv." enum:"table,json,csv" default:"table"`
}

// Run prints the timeline.
func (c *auditTokenCommand) Run(s *settings.Settings, std *settings.Streams) error {
	from, err := settings.ParsePoint(c.From, time.Now())
	if err != nil {
		return err
	}
	to, err := settings.ParsePoint(c.To, time.Now())
	if err != nil {
		return err
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	if from, err = from.On(ctx, reader); err != nil {
		return err
	}
	if to, err = to.On(ctx, reader); err != nil {
		return err
	}
	lines, known, err := audit.Timeline(ctx, reader, c.Token, from, to)
	if err != nil {
		return err
	}
	if len(lines) == 0 && known > 0 {
		return fmt.Errorf(
			"%d committed events are about %q, none of them between --from and --to; leave these out, or widen them",
			known,
			c.Token,
		)
	}
	if len(lines) == 0 {
		return fmt.Errorf("no committed event is about %q; run: lowcap-cdc tail --since 24h, to see which tokens there are", c.Token)
	}
	return audit.PrintTimeline(std.Out, lines, c.Format, settings.Width(std.Out))
}
