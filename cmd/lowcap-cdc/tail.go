package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

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
func (c *tailCommand) Run(s *Settings, std *streams) error {
	since, err := parsePoint(c.Since, time.Now())
	if err != nil {
		return err
	}
	topics, err := topicsOf(c.Type)
	if err != nil {
		return err
	}
	ctx, reader, done, err := s.readUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	out := newPrinter(std.out, c.JSON)
	return reader.ReadEvents(ctx, sink.Range{Topics: topics, Since: since.time, Follow: c.Follow}, func(e *sink.Stored) error {
		a := e.Attributes()
		if !since.precedes(&a) || !matchesAny(c.Type, a.Type) || !isToken(c.Token, e) {
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

func newPrinter(out io.Writer, asJSON bool) *printer { return &printer{out, asJSON, isTerminal(out)} }

// isTerminal reports whether colours are of use; NO_COLOR says that they are not wanted.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == ""
}

func (p *printer) print(e *sink.Stored) error {
	if p.json {
		_, err := fmt.Fprintf(p.out, "%s\n", e.Value)
		return err
	}
	l := describe(e)
	text := fmt.Sprintf("%s  %-30s %-12s %-4s %s", shortTime(l.Time), l.Event, shorten(l.Token), l.Timeframe, l.Detail)
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

// shortTime prints a commit time to the millisecond, in UTC.
func shortTime(text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}

// printJSON prints a value as indented JSON.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
