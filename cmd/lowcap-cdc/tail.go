package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

type tailCommand struct {
	Type   []string `help:"Only these types, e.g. emergency_exit.* or *.reverted." placeholder:"GLOB"`
	Token  string   `help:"Only this token: ticker, contract, position id, or chain/contract/timeframe."`
	Since  string   `help:"Begin here: an age, a time, or an LSN." default:"1h" placeholder:"1h|TIME|LSN"`
	Follow bool     `help:"Go on with what is committed from now on." short:"f"`
	JSON   bool     `help:"Print each event as it was committed, one JSON object a line." name:"json"`
}

// Run prints committed events.
func (c *tailCommand) Run(s *settings.Settings, std *settings.Streams) error {
	since, err := settings.ParsePoint(c.Since, time.Now())
	if err != nil {
		return err
	}
	topics, err := settings.TopicsOf(c.Type)
	if err != nil {
		return err
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	out := newPrinter(std.Out, c.JSON)
	return reader.ReadEvents(ctx, sink.Range{Topics: topics, Since: since.Time, Follow: c.Follow}, func(e *sink.Stored) error {
		a := e.Attributes()
		if !since.Precedes(&a) || !settings.MatchesAny(c.Type, a.Type) || !readable.IsToken(c.Token, e) {
			return ctx.Err()
		}
		return out.print(e)
	})
}

// printer prints one event a line.
type printer struct {
	out      io.Writer
	json     bool
	coloured bool
}

func newPrinter(out io.Writer, asJSON bool) *printer {
	return &printer{out, asJSON, settings.IsTerminal(out)}
}

func (p *printer) print(e *sink.Stored) error {
	if p.json {
		_, err := fmt.Fprintf(p.out, "%s\n", e.Value)
		return err
	}
	l := readable.Describe(e)
	text := fmt.Sprintf("%s  %-30s %-12s %-4s %s", readable.ShortTime(l.Time), l.Event, readable.Shorten(l.Token), l.Timeframe, l.Detail)
	if l.Actor != "" || l.Reason != "" {
		text += " by " + strings.TrimSpace(l.Actor+" "+l.Reason)
	}
	if len(l.Flags) > 0 {
		text += " [" + strings.Join(l.Flags, " ") + "]"
	}
	_, err := fmt.Fprintln(p.out, p.colour(l.Severity, text))
	return err
}

func (p *printer) colour(s schemas.Severity, text string) string {
	code := map[schemas.Severity]string{schemas.Page: "31;1", schemas.Warn: "33"}[s]
	if !p.coloured || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
