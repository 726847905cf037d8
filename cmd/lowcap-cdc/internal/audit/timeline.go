package audit

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
)

// Timeline returns the events of a token between two points, and how many name the token at all.
func Timeline(
	ctx context.Context,
	reader sink.Reader,
	token string,
	from, to settings.Point,
) (lines []readable.Line, known int, err error) {
	known, err = Visit(ctx, reader, token, from, to, func(e *sink.Stored) { lines = append(lines, readable.Describe(e)) })
	return lines, known, err
}

// Visit visits the events of a token between two points, the oldest first, and returns how many name the token at all. A ticker or
// a position leads to its contract first: blocks know only that.
func Visit(
	ctx context.Context,
	reader sink.Reader,
	token string,
	from, to settings.Point,
	visit func(*sink.Stored),
) (known int, err error) {
	contracts := make(map[string]bool)
	err = reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		if about := readable.EntityOf(e); about.Contract != "" && readable.IsToken(token, e) {
			contracts[about.Contract] = true
			known++
		}
		return ctx.Err()
	})
	if err != nil {
		return 0, err
	}
	err = reader.ReadEvents(ctx, sink.Range{Since: from.Time}, func(e *sink.Stored) error {
		a := e.Attributes()
		inside := from.Precedes(&a) && (!to.IsSet() || !to.Precedes(&a))
		if inside && contracts[readable.EntityOf(e).Contract] && matchesRow(token, e) {
			visit(e)
		}
		return ctx.Err()
	})
	return known, err
}

// matchesRow narrows a contract's events to one timeframe when the token was given as chain/contract/timeframe.
func matchesRow(token string, e *sink.Stored) bool {
	return strings.Count(token, "/") != 2 || token == string(e.Key)
}

// PrintTimeline prints a timeline as table, json or csv. A table is cut at width columns; 0 is for no end.
func PrintTimeline(out io.Writer, lines []readable.Line, format string, width int) error {
	switch format {
	case "json":
		return readable.PrintJSON(out, lines)
	case "csv":
		return printCSV(out, lines)
	}
	return printTable(out, lines, width)
}

const (
	longestWho   = 24 // characters, in a table that has a width
	longestToken = 16
	leastWhat    = 20
)

// printTable prints who did it before what was done, for the last column is the one that is cut.
func printTable(out io.Writer, lines []readable.Line, width int) error {
	rows := [][]string{{"TIME", "EVENT", "WHO", "TOKEN", "TF", "WHAT"}}
	for i := range lines {
		l := lines[i].Short()
		who, token := l.Who(), l.Token
		if width > 0 {
			who, token = fit(who, longestWho), fit(token, longestToken)
		}
		rows = append(rows, []string{readable.ShortTime(l.Time), l.Event, who, token, l.Timeframe,
			strings.TrimSpace(l.Detail + " " + strings.Join(l.Flags, " "))})
	}
	if width > 0 {
		before := 0
		for column := range rows[0][:5] {
			widest := 0
			for _, row := range rows {
				widest = max(widest, utf8.RuneCountInString(row[column]))
			}
			before += widest + 2
		}
		for _, row := range rows {
			row[5] = fit(row[5], max(leastWhat, width-before))
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

// fit cuts a text at n characters.
func fit(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

func printCSV(out io.Writer, lines []readable.Line) error {
	w := csv.NewWriter(out)
	records := [][]string{
		{"time", "event", "severity", "token", "contract", "timeframe", "detail", "flags", "actor", "reason", "session", "lsn", "sequence", "id"},
	}
	for i := range lines {
		l := &lines[i]
		record := []string{l.Time, l.Event, string(l.Severity), l.Token, l.Contract, l.Timeframe, l.Detail,
			strings.Join(l.Flags, " "), l.Actor, l.Reason, l.Session, l.LSN, l.Sequence, l.ID}
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
