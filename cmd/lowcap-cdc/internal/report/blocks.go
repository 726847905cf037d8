package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/trades"
	"lowcap-cdc/schemas"
)

// effectiveBook is the one whose blocks the bot consults.
const effectiveBook = "onchain_crypto"

var stages = [2]string{"s1", "s2"}

// blockFold follows blocks, each stage by itself.
type blockFold struct {
	blocks  *Blocks
	rows    map[string]*[2]*Block // by row: those that stand; an entry without any has been seen free
	seconds trades.Sum
}

func newBlockFold(r *Report) blockFold {
	return blockFold{blocks: &r.Blocks, rows: make(map[string]*[2]*Block)}
}

func (f *blockFold) forget() { clear(f.rows) }

func (f *blockFold) take(e *event, what string) {
	switch what {
	case "not_set":
		if e.in {
			f.blocks.NotSet.add(&Loss{e.row(), schemas.Instant(e.Time), e.text("trade_id"), e.number("pnl_usd"), e.ID})
		}
		return
	case "orphaned":
		if e.in {
			f.blocks.Orphaned++
		}
	}
	row, book := e.row(), e.text("entity.book_id")
	key := strings.Join([]string{row.Contract, row.Chain, row.Timeframe, book}, "\x00")
	after := e.data.Get("after")
	if !after.IsObject() && what != "deleted" {
		return
	}
	stand, seen := f.rows[key]
	if !seen {
		stand = &[2]*Block{}
		f.rows[key] = stand
	}
	for i, stage := range stages {
		blocked := after.Get("blocked_" + stage).Bool()
		switch {
		case blocked && stand[i] == nil:
			stand[i] = &Block{Row: row, Book: book, Stage: stage, From: beginOf(e, what, stage), Why: e.text("trigger"), Event: e.ID,
				first: e.Sequence}
		case !blocked && stand[i] != nil:
			f.freed(stand[i], e, what)
			stand[i] = nil
		case !blocked && !seen && names(e, stage):
			f.freed(&Block{Row: row, Book: book, Stage: stage, Event: e.ID, Seconds: e.number("blocked_for_seconds." + stage)}, e, what)
		}
	}
	if what == "deleted" {
		delete(f.rows, key)
	}
}

// names reports whether an event says of a stage that it was blocked before.
func names(e *event, stage string) bool {
	isIt := func(v gjson.Result) bool { return v.Str == stage }
	return slices.ContainsFunc(e.data.Get("was_blocked").Array(), isIt) || slices.ContainsFunc(e.data.Get("stages").Array(), isIt)
}

// beginOf returns when a stage became blocked: when it failed, where that is why; else when the event happened. What stood before the
// first event began with its newest failure.
func beginOf(e *event, what, stage string) schemas.Instant {
	trigger := e.text("trigger")
	if what == "baseline" || trigger == stage+"_failure" || trigger == "s1_and_s2_failure" {
		return e.instant("failure_ts." + stage)
	}
	return e.instant("occurred_at")
}

// freed ends a block.
func (f *blockFold) freed(b *Block, e *event, what string) {
	b.To, b.last = e.instant("occurred_at"), e.Sequence
	b.Freed = cmp.Or(e.text("trigger"), what)
	origin := e.data.Get("origin")
	who := cmp.Or(origin.Get("actor").String(), readable.SessionOf(origin.Get("session")))
	b.Who = strings.TrimSpace(who + " " + origin.Get("reason").String())
	if end, err := time.Parse(time.RFC3339Nano, string(b.To)); err == nil && b.Seconds == "" {
		b.Seconds = secondsBetween(b.From, end)
	}
	if e.in {
		f.list(b)
	}
}

func (f *blockFold) list(b *Block) {
	f.blocks.List.add(b)
	if b.Book != effectiveBook {
		f.blocks.Ineffective++
		return
	}
	f.blocks.Count++
	if b.To == "" {
		f.blocks.Standing++
	}
	if b.Seconds == "" {
		f.blocks.Unknown++
		return
	}
	f.seconds.Add(b.Seconds)
}

// end lists the blocks that stand, the newest last.
func (f *blockFold) end(at time.Time) {
	var stand []*Block
	for _, row := range f.rows {
		for _, b := range row {
			if b != nil {
				stand = append(stand, b)
			}
		}
	}
	slices.SortFunc(stand, func(x, y *Block) int {
		return cmp.Or(cmp.Compare(x.first, y.first), cmp.Compare(x.Book, y.Book), cmp.Compare(x.Stage, y.Stage))
	})
	for _, b := range stand {
		b.Seconds = secondsBetween(b.From, at)
		f.list(b)
	}
	f.blocks.Seconds = f.seconds.Number()
}

// sortedBy returns the values of a map in the order of a text of each.
func sortedBy[V any](of map[string]V, key func(V) string) []V {
	return slices.SortedFunc(maps.Values(of), func(x, y V) int { return cmp.Compare(key(x), key(y)) })
}
