package audit

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
)

// Timeline returns the events of a token. A ticker or a position leads to its contract first: blocks know only that.
func Timeline(ctx context.Context, reader sink.Reader, token string, from, to settings.Point) ([]readable.Line, error) {
	contracts := make(map[string]bool)
	err := reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		if about := readable.EntityOf(e); about.Contract != "" && readable.IsToken(token, e) {
			contracts[about.Contract] = true
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	var lines []readable.Line
	err = reader.ReadEvents(ctx, sink.Range{Since: from.Time}, func(e *sink.Stored) error {
		a := e.Attributes()
		inside := from.Precedes(&a) && (!to.IsSet() || !to.Precedes(&a))
		if inside && contracts[readable.EntityOf(e).Contract] && matchesRow(token, e) {
			lines = append(lines, readable.Describe(e))
		}
		return ctx.Err()
	})
	return lines, err
}

// matchesRow narrows a contract's events to one timeframe when the token was given as chain/contract/timeframe.
func matchesRow(token string, e *sink.Stored) bool {
	return strings.Count(token, "/") != 2 || token == string(e.Key)
}

// PrintTimeline prints a timeline as table, json or csv.
func PrintTimeline(out io.Writer, lines []readable.Line, format string) error {
	switch format {
	case "json":
		return readable.PrintJSON(out, lines)
	case "csv":
		return printCSV(out, lines)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TIME\tEVENT\tTOKEN\tTF\tWHAT\tWHO")
	for i := range lines {
		l := &lines[i]
		fmt.Fprintln(table, strings.Join([]string{readable.ShortTime(l.Time), l.Event, readable.Shorten(l.Token), l.Timeframe,
			strings.TrimSpace(l.Detail + " " + strings.Join(l.Flags, " ")), strings.TrimSpace(l.Actor + " " + l.Reason)}, "\t"))
	}
	return table.Flush()
}

func printCSV(out io.Writer, lines []readable.Line) error {
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
