package belief

import (
	"fmt"
	"maps"
	"strings"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// Difference is what is believed of a row and is not so.
type Difference struct {
	Table    string `json:"table"`
	Row      string `json:"row"` // empty for all of the table
	Field    string `json:"field"`
	Believed string `json:"believed"` // empty where the key of a history was meant; the event has it
	Stored   string `json:"stored"`
	Number   uint64 `json:"number"` // of the event that said so last; 0 when none did
}

// Comparison holds rows against beliefs, which it marks: what is left without a mark are rows that are believed and not there.
type Comparison struct {
	beliefs *Beliefs
	leftOut map[string]bool // tables
	Rows    int
	Count   int          // of the differences
	First   []Difference // of them, no more than some hundred
}

// mostDifferences are kept; more say nothing new.
const mostDifferences = 200

// longestStored is how many bytes of a stored value are shown.
const longestStored = 300

// Compare begins a comparison.
func Compare(b *Beliefs) *Comparison {
	b.compared++
	return &Comparison{beliefs: b, leftOut: maps.Clone(b.Missing), First: []Difference{}}
}

// Leave leaves a table out. why, when not empty, is what became of it and no event says: then that is the difference.
func (c *Comparison) Leave(table, why string) {
	c.leftOut[table] = true
	if why != "" {
		c.differ(Difference{table, "", "the table", "followed", why, 0})
	}
}

func (c *Comparison) differ(d Difference) {
	if c.Count++; len(c.First) < mostDifferences {
		if len(d.Stored) > longestStored {
			d.Stored = strings.ToValidUTF8(d.Stored[:longestStored], "") + "…"
		}
		c.First = append(c.First, d)
	}
}

// Take holds a row against what is believed of it.
func (c *Comparison) Take(row decode.Message) {
	c.Rows++
	switch r := row.(type) {
	case *decode.BlockChange:
		c.block(&r.New)
	case *decode.PositionChange:
		c.position(&r.New)
	}
}

// text returns a column as events have it.
func text(v decode.Value) string { return cdc.TextOf(v.Text) }

func isTrue(v decode.Value) bool { return text(v) == "t" }

func (c *Comparison) block(row *decode.BlockRow) {
	if c.leftOut[decode.Blocks.String()] {
		return
	}
	key := BlockKey(
		text(row[decode.BlockContract]),
		text(row[decode.BlockChain]),
		text(row[decode.BlockTimeframe]),
		text(row[decode.BlockBook]),
	)
	b := c.beliefs.Blocks[key]
	if b == nil {
		b = &Block{} // a row of which nothing was to be said
	}
	b.compared = c.beliefs.compared
	differ := func(field, believed, stored string) {
		c.differ(Difference{decode.Blocks.String(), strings.ReplaceAll(key, "\x00", "/"), field, believed, stored, b.Number})
	}
	for i, column := range [2]struct{ flag, failure int }{{decode.BlockedS1, decode.LastS1Failure}, {decode.BlockedS2, decode.LastS2Failure}} {
		s, stored := &b.Stages[i], isTrue(row[column.flag])
		if s.Blocked != stored {
			differ(fmt.Sprintf("blocked_s%d", i+1), fmt.Sprint(s.Blocked), fmt.Sprint(stored))
			continue
		}
		// A failure of a stage that is not blocked is told with the next event of the row, and not before.
		if at := cdc.InstantOf(row[column.failure].Text); stored && at != s.Failure {
			differ(fmt.Sprintf("last_s%d_failure_ts", i+1), s.Failure, at)
		}
	}
	// A success that goes back is no success.
	if at := cdc.InstantOf(row[decode.LastSuccess].Text); at > b.OK {
		differ("last_success_ts", b.OK, at)
	}
}

func (c *Comparison) position(row *decode.PositionRow) {
	if c.leftOut[decode.Positions.String()] {
		return
	}
	id := text(row[decode.PositionID])
	p := c.beliefs.Positions[id]
	if p == nil {
		c.differ(Difference{decode.Positions.String(), id, "the row", "not there", "there", 0})
		return
	}
	p.compared = c.beliefs.compared
	differ := func(field, believed, stored string) {
		c.differ(Difference{decode.Positions.String(), id, field, believed, stored, p.Said[field]})
	}
	if stored := text(row[decode.Status]); stored != p.Status {
		differ("status", p.Status, stored)
	}
	if stored := text(row[decode.CurrentTradeID]); stored != p.Trade {
		differ("trade", p.Trade, stored)
	}
	if !p.Unknown {
		c.history(p, row[decode.FeaturesColumn].Text, differ)
	}
}

func (c *Comparison) history(p *Position, features []byte, differ func(field, believed, stored string)) {
	raw, err := cdc.HistoryOf(features)
	if err != nil {
		if !p.Bad["features"] {
			differ("features", "can be read", err.Error())
		}
		return
	}
	stored, err := cdc.ReadHistory(raw)
	if err != nil {
		if !p.Bad["pm_execution_history"] {
			differ("pm_execution_history", "an object", string(raw))
		}
		return
	}
	for i, key := range cdc.HistoryKeys() {
		switch believed := p.History[i]; {
		case believed.IsUnread(), stored[i] == believed, stored[i].IsUnread() && p.Bad[key]:
		default:
			differ(key, "", cdc.ValueOf(raw, key))
		}
	}
}

// Rest returns what is wrong with the rows that are believed and not there. Call it when every row was taken.
func (c *Comparison) Rest() {
	for key, b := range c.beliefs.Blocks {
		// A row that blocks nothing may be gone without a word only with its table.
		if b.compared != c.beliefs.compared && !c.leftOut[decode.Blocks.String()] {
			c.differ(Difference{decode.Blocks.String(), strings.ReplaceAll(key, "\x00", "/"), "the row", "there", "not there", b.Number})
		}
	}
	for id, p := range c.beliefs.Positions {
		if p.compared != c.beliefs.compared && !c.leftOut[decode.Positions.String()] {
			c.differ(Difference{decode.Positions.String(), id, "the row", "there", "not there", p.Number})
		}
	}
}
