package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
)

// Card is one line of what a report says first.
type Card struct {
	Section string // of the HTML file
	Title   string
	Value   string
	Note    string
	Bad     bool // somebody should look
}

// Cards returns what a report says first.
func (r *Report) Cards() []Card {
	return []Card{r.exitsCard(), r.failedCard(), r.tradesCard(), r.blocksCard(), r.poolsCard(), r.staleCard(), r.booksCard(), r.badCard(),
		r.streamCard(), r.trailCard()}
}

func (r *Report) exitsCard() Card {
	c := Card{Section: "exits", Title: "Exits made", Value: strconv.Itoa(r.Exits.Count), Note: "brought " + usd(r.Exits.ProceedsUSD)}
	c.Note += some(r.Exits.Unknown, "of unknown proceeds") + some(r.Exits.TokensLeft, "left tokens")
	return c
}

func (r *Report) failedCard() Card {
	f := &r.Failed
	c := Card{Section: "failed", Title: "Exits not made in time", Value: strconv.Itoa(f.Count), Bad: f.Count > 0}
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(f.ByOutcome)) {
		parts = append(parts, strconv.Itoa(f.ByOutcome[outcome])+" "+cut(outcome))
	}
	if f.ByOutcome["abandoned"] > 0 {
		parts = append(parts, "abandoned tokens worth "+usd(f.AbandonedUSD))
	}
	c.Note = strings.Join(parts, ", ")
	return c
}

func (r *Report) tradesCard() Card {
	t := &r.Trades
	c := Card{Section: "trades", Title: "P&L of trades that ended", Value: usd(t.PnLUSD)}
	c.Note = plural(t.Ended, "trade") + some(t.Won, "won") + some(t.Lost, "lost") + some(t.Unknown, "of unknown result") +
		some(t.Open, "still open")
	return c
}

func (r *Report) blocksCard() Card {
	b := &r.Blocks
	c := Card{Section: "blocks", Title: "Blocks", Value: strconv.Itoa(b.Count), Bad: b.NotSet.Total()+b.Orphaned > 0}
	c.Note = duration(b.Seconds) + " together" + some(b.Standing, "stand") + some(b.Unknown, "of unknown length") +
		some(b.Orphaned, "orphaned") + some(b.NotSet.Total(), "without one after a loss")
	return c
}

func (r *Report) poolsCard() Card {
	p := &r.Pools
	c := Card{Section: "pools", Title: "Pools hold", Value: usd(p.End), Bad: p.Unexplained != "0"}
	c.Note = "fed " + usd(p.Fed) + ", spent " + usd(p.SpentUSD) + ", lost to stale writes " + usd(p.Lost)
	if p.Unexplained != "0" {
		c.Note += ", not explained by any event " + usd(p.Unexplained)
	}
	return c
}

func (r *Report) staleCard() Card {
	s := &r.Stale
	return Card{Section: "stale", Title: "Reverts by stale writes", Value: strconv.Itoa(s.Reverts), Bad: s.LaterWrite > 0,
		Note: fmt.Sprintf("%d of %s, %d by a later write", s.TrimsReverted, plural(s.Trims, "trim"), s.LaterWrite)}
}

func (r *Report) booksCard() Card {
	c := Card{Section: "books", Title: "Fills without a record", Value: strconv.Itoa(r.Books.Count), Bad: r.Books.Count > 0}
	if c.Bad {
		c.Note = "sells " + usd(r.Books.SellUSD) + ", buys " + usd(r.Books.BuyUSD)
	}
	return c
}

func (r *Report) badCard() Card {
	return Card{Section: "quarantine", Title: "Quarantine", Value: strconv.Itoa(r.Bad.Malformed + r.Bad.Unknown), Bad: r.Bad.Malformed > 0,
		Note: plural(r.Bad.Malformed, "malformed value") + ", " + plural(r.Bad.Unknown, "unknown key")}
}

func (r *Report) streamCard() Card {
	s := &r.Stream
	c := Card{Section: "stream", Title: "Gaps", Value: strconv.Itoa(s.Gaps), Bad: s.Gaps > 0 || s.Missing > 0 || s.Anew > 0 || s.NoJSON > 0}
	c.Note = plural(r.Events.Count, "event") + ": " + strconv.Itoa(r.Events.Page) + " page, " + strconv.Itoa(r.Events.Warn) + " warn"
	if s.Missing > 0 {
		c.Note += ", " + strconv.FormatUint(s.Missing, 10) + " are not there"
	}
	c.Note += some(s.Anew, "times numbered anew") + some(s.NoJSON, "records that are no event")
	return c
}

func (r *Report) trailCard() Card {
	switch {
	case r.Trail == nil:
		return Card{Section: "trail", Title: "Trail", Value: "not verified"}
	case r.Trail.OK:
		return Card{Section: "trail", Title: "Trail", Value: "holds", Note: "see below what that proves"}
	}
	return Card{Section: "trail", Title: "Trail", Value: "does not hold", Note: "the numbers here may be wrong", Bad: true}
}

// Print prints the cards for a person.
func (r *Report) Print(out io.Writer) error {
	_, err := fmt.Fprintf(out, "%s to %s\n", shortTime(r.From), shortTime(r.To))
	for _, c := range r.Cards() {
		mark := " "
		if c.Bad {
			mark = "!"
		}
		if err == nil {
			_, err = fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%s %-25s %s  %s", mark, c.Title, c.Value, c.Note), " "))
		}
	}
	return err
}

func some(n int, what string) string {
	if n == 0 {
		return ""
	}
	return ", " + strconv.Itoa(n) + " " + what
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func usd(n schemas.Number) string { return number(n) + " USD" }

// number prints a number with its digits; one that no event knows is a question mark.
func number(n schemas.Number) string { return cmp.Or(readable.Shorten(string(n)), "?") }

// cut makes a text of the database printable, and short.
func cut(text string) string { return readable.Shorten(readable.Printable(text)) }

// shortTime prints a time to the second, with its zone; what is none is printed as it stands.
func shortTime(text schemas.Instant) string {
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return cut(string(text))
	}
	return at.UTC().Format("2006-01-02 15:04:05Z")
}

// duration prints seconds by their two greatest units.
func duration(seconds schemas.Number) string {
	n, err := strconv.ParseFloat(string(seconds), 64)
	switch {
	case err != nil || n < 0:
		return "?"
	case n < 60:
		return readable.Seconds(n)
	}
	minutes := int64(n) / 60
	switch days := minutes / (24 * 60); {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, minutes/60%24)
	case minutes >= 60:
		return fmt.Sprintf("%dh %dm", minutes/60, minutes%60)
	}
	return fmt.Sprintf("%dm %ds", minutes, int64(n)%60)
}
