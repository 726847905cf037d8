package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"lowcap-cdc/sink"
)

type auditCommand struct {
	Token  auditTokenCommand  `cmd:"" default:"withargs" help:"The life of a token as a timeline: what blocked it, for how long, what unblocked it; buys, trims, exits, reverts; who."`
	Verify auditVerifyCommand `cmd:"" help:"Prove that the sink holds every event once, in order, unaltered and well-formed; exit 1 when it does not."`
}

type auditTokenCommand struct {
	Token  string `arg:"" help:"A ticker, a contract, a position's id, or chain/contract/timeframe." placeholder:"TOKEN|CONTRACT|POSITION"`
	From   string `help:"Begin here: an age, a time, or an LSN." placeholder:"1h|TIME|LSN"`
	To     string `help:"End before this." placeholder:"1h|TIME|LSN"`
	Format string `help:"table, json or csv." enum:"table,json,csv" default:"table"`
}

// Run prints the timeline.
func (c *auditTokenCommand) Run(s *Settings, std *streams) error {
	from, err := parsePoint(c.From, time.Now())
	if err != nil {
		return err
	}
	to, err := parsePoint(c.To, time.Now())
	if err != nil {
		return err
	}
	ctx, reader, done, err := s.readUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	lines, err := timeline(ctx, reader, c.Token, from, to)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return fmt.Errorf("no committed event is about %q; run: lowcap-cdc tail --since 24h, to see which tokens there are", c.Token)
	}
	return printTimeline(std.out, lines, c.Format)
}

// timeline returns the events of a token. A ticker or a position leads to its contract first: blocks know only that.
func timeline(ctx context.Context, reader sink.Reader, token string, from, to point) ([]line, error) {
	contracts := make(map[string]bool)
	err := reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		if about := entityOf(e); about.contract != "" && isToken(token, e) {
			contracts[about.contract] = true
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	var lines []line
	err = reader.ReadEvents(ctx, sink.Range{Since: from.time}, func(e *sink.Stored) error {
		a := e.Attributes()
		inside := from.precedes(&a) && (!to.isSet() || !to.precedes(&a))
		if inside && contracts[entityOf(e).contract] && matchesRow(token, e) {
			lines = append(lines, describe(e))
		}
		return ctx.Err()
	})
	return lines, err
}

// matchesRow narrows a contract's events to one timeframe when the token was given as chain/contract/timeframe.
func matchesRow(token string, e *sink.Stored) bool {
	return strings.Count(token, "/") != 2 || token == string(e.Key)
}

func printTimeline(out io.Writer, lines []line, format string) error {
	switch format {
	case "json":
		return printJSON(out, lines)
	case "csv":
		return printCSV(out, lines)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TIME\tEVENT\tTOKEN\tTF\tWHAT\tWHO")
	for i := range lines {
		l := &lines[i]
		fmt.Fprintln(table, strings.Join([]string{shortTime(l.Time), l.Event, shorten(l.Token), l.Timeframe,
			strings.TrimSpace(l.Detail + " " + strings.Join(l.Flags, " ")), strings.TrimSpace(l.Actor + " " + l.Reason)}, "\t"))
	}
	return table.Flush()
}

func printCSV(out io.Writer, lines []line) error {
	w := csv.NewWriter(out)
	records := [][]string{{"time", "event", "severity", "token", "contract", "timeframe", "detail", "flags", "actor", "reason", "lsn", "sequence", "id"}}
	for i := range lines {
		l := &lines[i]
		record := []string{l.Time, l.Event, string(l.Severity), l.Token, l.Contract, l.Timeframe, l.Detail,
			strings.Join(l.Flags, " "), l.Actor, l.Reason, l.LSN, l.Sequence, l.ID}
		for i := range record {
			record[i] = noFormula(record[i])
		}
		records = append(records, record)
	}
	return errors.Join(w.WriteAll(records), w.Error())
}

// noFormula keeps a spreadsheet from running a ticker as a formula.
func noFormula(text string) string {
	if text != "" && strings.ContainsRune("=+-@", rune(text[0])) {
		return "'" + text
	}
	return text
}
