package trades

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
)

// Print prints a trade as one line for a person.
func (t *Trade) Print(out io.Writer) error {
	closed := "open"
	if t.ended {
		closed = cmp.Or(readable.ShortTime(string(t.ClosedAt)), "not seen")
	}
	_, err := fmt.Fprintf(out, "%-24s  %-24s  %-12s %-4s entry=%s buys=%d trims=%d usd_out=%s %s exit=%s left=%s pnl=%s block=%s %s\n",
		cmp.Or(readable.ShortTime(string(t.OpenedAt)), "not seen"), closed, shown(t.Token), shown(t.Timeframe),
		shown(t.EntrySlot), t.Buys, t.Trims, number(t.USDOut), &t.Pool, t.Exit, number(t.TokensLeft), number(t.PnLUSD),
		shown(t.Block), readable.Shorten(readable.Printable(t.TradeID)))
	return err
}

// String prints what became of a pool.
func (p *Pool) String() string {
	text := fmt.Sprintf("pool=(fed=%s lost=%s", number(p.Fed), number(p.Lost))
	for _, what := range slices.Sorted(maps.Keys(p.Spent)) {
		text += fmt.Sprintf(" %s=%s", readable.Shorten(readable.Printable(what)), number(p.Spent[what]))
	}
	return text + ")"
}

// PrintJSON prints a trade as one JSON object on a line. On a terminal its texts are printable.
func (t *Trade) PrintJSON(out io.Writer, printable func([]byte) []byte) error {
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("print trade %s: %w", t.TradeID, err)
	}
	_, err = fmt.Fprintf(out, "%s\n", printable(text))
	return err
}

// shown prints a text of the database; one that is absent or unknown is a dash.
func shown(text schemas.Text) string {
	if text == nil {
		return "-"
	}
	return readable.Shorten(strings.TrimSpace(readable.Printable(*text)))
}

func number(n schemas.Number) string { return readable.Shorten(cmp.Or(string(n), "?")) }
