package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
)

const mostRows = 20 // of a list that a person reads; --json has all of them

// print prints the status for a person.
func (st *status) print(out io.Writer, now time.Time) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintln(t, name+"\t"+readable.Printable(fmt.Sprintf(format, args...)))
	}
	from := &st.Source
	row("source", "Postgres %s, system %s, database %q, WAL ends at %s", from.Version, from.SystemID, from.Database, from.WALEnd)
	for _, table := range st.Source.Missing {
		row("MISSING", "table %s is not in the publication", table)
	}
	row("slot", "%s", st.Slot.describe(st.Checkpoint.LSN == "" && !st.unread))
	if st.unread {
		what := "does not answer"
		if st.damaged {
			what = "is damaged"
		}
		row("sink", "%s, %s: checkpoint, blocks, pools and events are unknown", st.Sink, what)
	} else {
		st.printSink(row, now)
	}
	if st.Outage != "" {
		row("outage", "%s", st.Outage)
	}
	for _, problem := range st.Problems {
		row("PROBLEM", "%s", problem)
	}
	return t.Flush()
}

// printSink prints what the sink holds.
func (st *status) printSink(row func(name, format string, args ...any), now time.Time) {
	row("checkpoint", "%s", st.Checkpoint.describe())
	row("sink", "%s, %d rows known", st.Sink, st.Rows)
	row("last hour", "%s", counts(st.LastHour))
	row("last exit", "%s", ago(st.LastExit, now))
	row("last gap", "%s", ago(st.LastGap, now))
	row("blocked", "%d", len(st.Blocks))
	for i := range firstRows(st.Blocks) {
		row("", "%s", blockLine(&st.Blocks[i]))
	}
	cut(row, len(st.Blocks))
	row("open pools", "%d", len(st.Pools))
	for i := range firstRows(st.Pools) {
		row("", "%s", poolLine(&st.Pools[i]))
	}
	cut(row, len(st.Pools))
	if len(st.Waiting) == 0 {
		return
	}
	row("waiting", "%d", len(st.Waiting))
	for i := range firstRows(st.Waiting) {
		row("", "%s", waitingLine(&st.Waiting[i]))
	}
	cut(row, len(st.Waiting))
}

// cut says how many rows of a list are not shown.
func cut(row func(name, format string, args ...any), n int) {
	if n > mostRows {
		row("", "… and %d more; run: lowcap-cdc status --json", n-mostRows)
	}
}

func firstRows[T any](list []T) []T { return list[:min(len(list), mostRows)] }

func (s *slotStatus) describe(first bool) string {
	switch {
	case !s.Exists && first:
		return s.Name + " does not exist; the first run creates it"
	case !s.Exists:
		return s.Name + " does not exist"
	}
	who := "nobody reads from it"
	if s.Active {
		who = "an instance reads from it"
	}
	loss := "not running out"
	switch {
	case s.unknown:
		loss = "time to loss unknown"
	case s.Loss != nil:
		loss = "lost in about " + readable.Seconds(*s.Loss) + " at this rate"
	}
	return fmt.Sprintf("%s, %s, confirmed %s, keeps %s of WAL from %s (%s, %s)",
		s.Name, who, s.Confirmed, inBytes(s.Retained), s.Restart, s.WALStatus, loss)
}

func (c *checkpointStatus) describe() string {
	if c.LSN == "" {
		return "none: nothing has been published yet"
	}
	return fmt.Sprintf("%s of %s, event %d, %s and %s behind",
		c.LSN, readable.ShortTime(c.Time), c.Events, inBytes(c.LagBytes), readable.Seconds(c.LagSeconds))
}

func counts(byType map[string]int) string {
	if len(byType) == 0 {
		return "no events"
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(byType)) {
		list = append(list, fmt.Sprintf("%s %d", name, byType[name]))
	}
	return strings.Join(list, ", ")
}

func ago(l *readable.Line, now time.Time) string {
	if l == nil {
		return "none"
	}
	when := ""
	if at, err := time.Parse(time.RFC3339Nano, l.Time); err == nil {
		when = ", " + readable.Seconds(now.Sub(at).Seconds()) + " ago"
	}
	short := l.Short()
	return strings.TrimSpace(short.Token+" "+short.Timeframe+" "+short.Detail) + ", at " + readable.ShortTime(l.Time) + when
}

func blockLine(b *cdc.KnownBlock) string {
	text := short(b.Block.TokenContract) + " " + short(b.Block.Timeframe) + " " + stages(b.Stages)
	switch {
	case b.Since != "":
		text += " since " + readable.ShortTime(string(b.Since))
	case b.FailureTS != "":
		text += ", last failure " + readable.ShortTime(string(b.FailureTS))
	}
	if b.Orphaned {
		text += ", orphaned: nothing will clear it"
	}
	if b.Ineffective {
		text += ", ineffective: book " + short(b.Block.BookID)
	}
	return text
}

func stages(list []schemas.Stage) string {
	var names []string
	for _, s := range list {
		names = append(names, string(s))
	}
	return strings.Join(names, "+")
}

func poolLine(p *cdc.KnownPosition) string {
	text := readable.TokenOf(&p.Position)
	if p.Position.Timeframe != nil {
		text += " " + short(*p.Position.Timeframe)
	}
	text += " " + short(string(p.PoolUSD)) + " USD"
	if p.Recovering {
		text += fmt.Sprintf(", recovering, %s bought", short(string(p.DXCount)))
	}
	return text
}

// waitingLine says what did not happen to a position.
func waitingLine(p *readable.Waiting) string {
	text := readable.TokenOf(&p.Position)
	if p.Position.Timeframe != nil {
		text += " " + short(*p.Position.Timeframe)
	}
	if p.Held {
		text += ", " + short(string(p.Quantity)) + " tokens"
	}
	if p.Exit != nil {
		text += ", exit wanted since " + readable.ShortTime(string(p.Exit.Since))
		if p.Exit.ValueUSD != "" {
			text += ", worth " + short(string(p.Exit.ValueUSD)) + " USD"
		}
	}
	if p.Stranded {
		text += ", held in S0"
	}
	for _, g := range p.Unrecorded {
		text += ", " + g.Direction + " of " + short(string(g.Tokens)) + " without a record since " + readable.ShortTime(string(g.Since))
	}
	if l := p.NotSet; l != nil {
		text += ", lost " + short(strings.TrimPrefix(string(l.PnLUSD), "-")) + " USD and is not blocked in " + stages(l.Stages) + " since " +
			readable.ShortTime(string(l.Since))
	}
	return text
}

// short keeps of a text from the database what a line shows of it.
func short(text string) string { return readable.Shorten(readable.Printable(text)) }

// inBytes prints a size for a person.
func inBytes(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}} {
		if n >= unit.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
