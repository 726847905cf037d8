package main

import (
	"bytes"
	"context"
	"errors"
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
	Since  string   `help:"Begin here: an age, a time, or an LSN; without it, and without -n, an hour ago." placeholder:"1h|TIME|LSN"`
	Lines  int      `help:"Only the last N of them." short:"n" placeholder:"N" env:"-"`
	Follow bool     `help:"Then print what is committed from now on." short:"f"`
	JSON   bool     `help:"Print each event as it was committed, one JSON object a line." name:"json"`
}

// Run prints committed events.
func (c *tailCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if c.Lines < 0 {
		return settings.Usage(errors.New("-n takes a number of events"))
	}
	if c.Since == "" && c.Lines == 0 {
		c.Since = "1h"
	}
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
	if since, err = since.On(ctx, reader); err != nil {
		return err
	}
	out := newPrinter(std.Out, c.JSON)
	wanted := sink.Range{Topics: topics, Since: since.Time, Follow: c.Follow}
	matches := func(e *sink.Stored, a *schemas.Attributes) bool {
		return since.Precedes(a) && settings.MatchesAny(c.Type, a.Type) && readable.IsToken(c.Token, e)
	}
	if c.Lines > 0 {
		return c.last(ctx, reader, wanted, matches, out)
	}
	return reader.ReadEvents(ctx, wanted, func(e *sink.Stored) error {
		if a := e.Attributes(); matches(e, &a) {
			return out.print(e)
		}
		return ctx.Err()
	})
}

// last prints the last events that match, and then, when it is to follow, those that come behind everything it has read.
func (c *tailCommand) last(
	ctx context.Context, reader sink.Reader, wanted sink.Range, matches func(*sink.Stored, *schemas.Attributes) bool, out *printer,
) error {
	kept, at := make([]*sink.Stored, 0, min(c.Lines, 1024)), 0 // a ring, once it is full
	newest := ""
	whole := wanted
	whole.Follow = false
	err := reader.ReadEvents(ctx, whole, func(e *sink.Stored) error {
		a := e.Attributes()
		newest = max(newest, a.Sequence)
		if matches(e, &a) {
			own := *e
			own.Key, own.Value = bytes.Clone(e.Key), bytes.Clone(e.Value)
			if len(kept) < c.Lines {
				kept = append(kept, &own)
			} else {
				kept[at], at = &own, (at+1)%c.Lines
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for i := range kept {
		if err := out.print(kept[(at+i)%len(kept)]); err != nil {
			return err
		}
	}
	if !wanted.Follow {
		return nil
	}
	return reader.ReadEvents(ctx, wanted, func(e *sink.Stored) error {
		if a := e.Attributes(); a.Sequence > newest && matches(e, &a) {
			return out.print(e)
		}
		return ctx.Err()
	})
}

// printer prints one event a line.
type printer struct {
	out      io.Writer
	json     bool
	terminal bool
	coloured bool
}

func newPrinter(out io.Writer, asJSON bool) *printer {
	return &printer{out, asJSON, settings.IsTerminal(out), settings.IsColoured(out)}
}

func (p *printer) print(e *sink.Stored) error {
	if p.json {
		value := e.Value
		if p.terminal {
			value = settings.PrintableJSON(value)
		}
		_, err := fmt.Fprintf(p.out, "%s\n", value)
		return err
	}
	l := readable.Describe(e).Short()
	text := fmt.Sprintf("%s  %-30s %-12s %-4s %s", readable.ShortTime(l.Time), l.Event, l.Token, l.Timeframe, l.Detail)
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
