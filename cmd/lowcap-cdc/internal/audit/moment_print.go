package audit

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
)

// Print prints how everything stood, for a person or as JSON.
func (s *Standing) Print(out io.Writer, asJSON bool) error {
	if asJSON {
		return readable.PrintJSON(out, s)
	}
	fmt.Fprintf(out, "as of event %d, committed at %s on %s\n", s.At.Number, s.At.LSN, s.At.Time)
	if s.Ends != nil {
		fmt.Fprintf(out, "! the trail has come to %s, %s: what was committed since then no event tells yet\n", s.Ends.LSN, s.Ends.Time)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cells ...string) {
		for i := range cells {
			cells[i] = readable.Printable(cells[i])
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	for _, b := range s.Blocked {
		line("blocked", name(b.Ticker, b.Contract), b.Timeframe, strings.Join(b.Stages, ","), "since "+sinceOf(b.Since), b.Why, b.By.String())
	}
	for _, p := range s.Pools {
		line("pool", name(p.Ticker, p.Contract), p.Timeframe, "usd="+string(p.USD), "since "+sinceOf(p.Since))
	}
	for _, t := range s.Trades {
		line("trade", name(t.Ticker, t.Contract), t.Timeframe, t.Status, "since "+sinceOf(t.Since), t.Trade)
	}
	for _, e := range s.Exits {
		line("exit wanted", name(e.Ticker, e.Contract), e.Timeframe, "held="+string(e.Held), "since "+e.Since, e.Flag, e.Reason)
	}
	if len(s.Blocked)+len(s.Pools)+len(s.Trades)+len(s.Exits) == 0 {
		line("nothing was blocked, no pool held anything, no trade was open, no exit was wanted")
	}
	return table.Flush()
}

func name(ticker, contract string) string {
	if ticker == "" {
		return contract
	}
	return ticker
}

func sinceOf(at *string) string {
	if at == nil {
		return "before the first event"
	}
	return *at
}
