package consumers

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/schemas"
)

// life is a position that lives at random.
type life struct {
	*chronicle
	*rand.Rand
	row, trade string
	trades     int
	pool       int // cents
	last       time.Time
	ended      string // the trade before
	gone       bool
}

func money(cents int) schemas.Number {
	return schemas.Number(fmt.Sprintf("%s%d.%02d", map[bool]string{true: "-"}[cents < 0], max(cents, -cents)/100, max(cents, -cents)%100))
}

func (l *life) tokens() schemas.Number { return money(l.IntN(5) * 1000) }

func (l *life) next() string {
	l.trades++
	return fmt.Sprintf("%s-%d", l.row, l.trades)
}

func (l *life) tell(list ...schemas.Data) {
	l.change(l.Float64()*40, position(l.row, l.trade), list...)
}

// moved returns how much the pool grows, and lets it.
func (l *life) moved(to int) schemas.Number {
	delta := money(to - l.pool)
	l.pool = to
	return delta
}

// step lets something happen; what does not fit a flat position is only said of an open one.
func (l *life) step() {
	usd := l.IntN(10000) + 1
	if l.gone || (l.trade == "" && l.IntN(3) > 0) {
		l.flat(usd)
		return
	}
	if l.trade == "" {
		l.trade = l.next()
		l.tell(&schemas.PositionStatusChanged{}, &schemas.TradeOpened{TradeID: l.trade})
		return
	}
	switch l.IntN(16) {
	case 0, 1, 2:
		l.buy(usd)
	case 3, 4:
		l.tell(&schemas.ExecutionTrimRecorded{ProceedsUSD: money(usd), RemainingQuantity: l.tokens()},
			&schemas.TrimPoolIncreased{USDBasis: money(l.pool + usd), AddedUSD: money(usd), Cause: "trim", DeltaUSD: l.moved(l.pool + usd)})
	case 5:
		l.tell(&schemas.EmergencyExitExecuted{ProceedsUSD: money(usd), RemainingQuantity: l.tokens()},
			&schemas.TrimPoolReplaced{OldBasis: money(l.pool), NewBasis: money(usd), Cause: "emergency_exit", DeltaUSD: l.moved(usd)})
	case 6:
		l.tell(&schemas.ExecutionTrimRecorded{RemainingQuantity: l.tokens()})
		exit := &schemas.EmergencyExitExecuted{RemainingQuantity: l.tokens()}
		exit.Flags = []schemas.Flag{schemas.Amended}
		l.tell(exit)
	case 7, 8:
		l.tell(&schemas.ExecutionReverted{Reverted: schemas.Reverted{Key: "last_trim", Cause: "same_tick"}},
			&schemas.TrimPoolReverted{Reverted: schemas.Reverted{Key: "trim_pool", Cause: "same_tick"}, DeltaUSD: l.moved(usd)})
	case 9:
		l.tell(&schemas.ExecutionRestored{Restored: schemas.Restored{Key: "last_trim"}},
			&schemas.TrimPoolRestored{Restored: schemas.Restored{Key: "trim_pool"}, DeltaUSD: l.moved(usd)})
	case 10:
		l.tell(&schemas.TrimPoolAdjusted{DeltaUSD: l.moved(usd)})
	case 11:
		l.waits()
	case 12:
		l.unrecorded(usd)
	default:
		l.end(usd)
	}
}

func (l *life) flat(usd int) {
	switch {
	case l.gone && l.IntN(4) == 0: // inserted again, with a new id
		l.gone = false
		l.row, l.pool = fmt.Sprintf("%d", 1000+l.IntN(1_000_000)), 0
		l.trade = []string{"", l.next()}[l.IntN(2)]
		columns := schemas.PositionColumns{TotalQuantity: l.tokens(), TotalExtractedUSD: money(usd)}
		l.tell([][]schemas.Data{{&schemas.PositionCreated{PositionColumns: columns}},
			{&schemas.PositionCreated{PositionColumns: columns}, &schemas.PositionBaseline{PositionColumns: columns}}}[l.IntN(2)]...)
	case l.gone:
	case l.IntN(3) == 0:
		l.tell(&schemas.TrimPoolReverted{Reverted: schemas.Reverted{Key: "trim_pool"}, DeltaUSD: l.moved(usd)})
	case l.ended != "" && l.IntN(3) == 0 && l.at.Sub(l.last) < 100*time.Second:
		l.change(0, block(l.row, "onchain_crypto"), &schemas.EntryBlockNotSet{TradeID: l.ended, Stages: []schemas.Stage{schemas.S1}})
	default:
		l.blocks()
	}
}

func (l *life) blocks() {
	stages := []schemas.Stage{schemas.S1, schemas.S2}[:l.IntN(2)+1]
	book := []string{"onchain_crypto", "onchain_crypto", "spot_book"}[l.IntN(3)]
	trigger := []string{"s1_failure", "s1_and_s2_failure", "manual"}[l.IntN(3)]
	failed := schemas.PerStage[schemas.Instant]{S1: instant(l.at), S2: instant(l.at)}
	l.change(l.Float64()*40, block(l.row, book), []schemas.Data{
		&schemas.EntryBlockSet{Stages: stages, Trigger: trigger, FailureTS: failed},
		&schemas.EntryBlockRefreshed{Stages: stages, Trigger: trigger},
		&schemas.EntryBlockCleared{Stages: stages, Trigger: "success"}}[l.IntN(3)])
}

func (l *life) buy(usd int) {
	slot := []string{"s1", "s2", "s3"}[l.IntN(3)]
	list := []schemas.Data{&schemas.ExecutionBuyRecorded{Slot: slot}}
	if l.IntN(2) == 0 {
		reason := []string{"s2_dip_buy", "dx_ladder_complete", "s2_entry_new_trade", "unknown"}[l.IntN(4)]
		list = append(list, &schemas.TrimPoolClosed{ClosedBasis: money(l.pool), Reason: reason, DeltaUSD: l.moved(0)})
	}
	l.tell(list...)
}

// waits lets an exit be wanted for long, and then perhaps end.
func (l *life) waits() {
	since := instant(l.at)
	l.tell(&schemas.EmergencyExitPending{WantedSince: since, HeldQuantity: l.tokens()})
	if l.IntN(4) == 0 { // wanted again before its end is told
		l.tell(&schemas.EmergencyExitPending{WantedSince: instant(l.at), HeldQuantity: l.tokens()},
			&schemas.EmergencyExitSettled{WantedSince: since, Outcome: "emptied"})
		return
	}
	if outcome := []string{"", "executed", "emptied", "withdrawn"}[l.IntN(4)]; outcome != "" {
		l.tell(&schemas.EmergencyExitSettled{WantedSince: since, Outcome: outcome})
	}
}

// unrecorded tells of a fill that took place two minutes ago, perhaps in the trade before.
func (l *life) unrecorded(usd int) {
	since := l.at
	direction := []string{"buy", "sell"}[l.IntN(2)]
	if l.IntN(3) == 0 {
		l.end(usd)
	}
	l.at = since.Add(120 * time.Second)
	l.tell(&schemas.ExecutionUnrecorded{Direction: direction, USD: money(usd), Since: instant(since), HeldQuantity: []schemas.Number{"0", "5"}[l.IntN(2)]})
}

func (l *life) end(usd int) {
	old := l.trade
	l.ended = old
	closed := &schemas.TradeClosed{TradeID: old, RemainingQuantity: l.tokens(), PnLUSD: money(5000 - usd)}
	switch l.trade = ""; l.IntN(8) {
	case 0:
		l.trade = old
		l.tell(&schemas.PositionDeleted{PositionColumns: schemas.PositionColumns{TotalQuantity: l.tokens()}})
		l.trade, l.gone = "", true
	case 1:
		l.trade = l.next()
		l.tell(&schemas.ExecutionBuyRecorded{Slot: "s2"}, &schemas.TrimPoolClosed{ClosedBasis: money(l.pool), Reason: "s2_dip_buy", DeltaUSD: l.moved(0)},
			&schemas.ExecutionReverted{Reverted: schemas.Reverted{Key: "last_trim"}}, closed, &schemas.TradeOpened{TradeID: l.trade})
	case 2:
		l.tell(&schemas.ExecutionTrimRecorded{ProceedsUSD: money(usd), RemainingQuantity: "0"}, closed,
			&schemas.EmergencyExitSettled{Outcome: "closed"}, &schemas.EmergencyExitAbandoned{TradeID: old, Quantity: closed.RemainingQuantity})
	case 3:
		l.trade = l.next() // its end and the next one's beginning were not seen
		l.tell(&schemas.ExecutionBuyRecorded{Slot: "s1"})
	default:
		l.tell(closed)
	}
	l.last = l.at
}

// TestDuckDBTellsTheSameTrades: the recipe and the verb, on lives that are made at random: every kind of fill, end and stale write,
// trades that follow each other closely, rows that go and come, blocks of every kind, and a history that goes on
// from another server.
func TestDuckDBTellsTheSameTrades(t *testing.T) {
	lowcap, interpreter := program(t), python(t, "python/requirements.txt")
	for seed := range uint64(3) {
		c := newChronicle()
		r := rand.New(rand.NewPCG(seed, 15))
		lives := make([]*life, 6)
		for i := range lives {
			lives[i] = &life{chronicle: c, Rand: r, row: fmt.Sprint(i)}
		}
		for n := range 600 {
			if n == 300 {
				c.source = "/postgres/8/trading"
			}
			lives[r.IntN(len(lives))].step()
		}
		dir := t.TempDir()
		write(t, dir, 0, c.events)
		var told strings.Builder
		for line := range strings.Lines(output(t, exec.CommandContext(t.Context(), lowcap, "trades", "--json", "--sink", "file:"+dir))) {
			told.WriteString(asRow(t, line) + "\n")
		}
		asked := output(t, exec.CommandContext(t.Context(), interpreter, "duckdb/query.py", dir, "lines.sql", "queries/trades.sql"))
		want := strings.Split(sameDigits(told.String()), "\n")
		got := strings.Split(sameDigits(asked), "\n")
		if len(want) < 60 {
			t.Errorf("seed %d makes %d trades only", seed, len(want))
		}
		for i := range max(len(want), len(got)) {
			if i >= len(want) || i >= len(got) || want[i] != got[i] {
				t.Fatalf("seed %d, trade %d of %d and %d:\nthe recipe %s\nthe verb   %s", seed, i, len(got), len(want), at(got, i), at(want, i))
			}
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "has none"
}

// asRow returns a trade of the verb's as the recipe prints it.
func asRow(t *testing.T, line string) string {
	t.Helper()
	var trade struct {
		TradeID    string      `json:"trade_id"`
		Token      *string     `json:"token"`
		Timeframe  *string     `json:"timeframe"`
		OpenedAt   *string     `json:"opened_at"`
		ClosedAt   *string     `json:"closed_at"`
		EntrySlot  *string     `json:"entry_slot"`
		Buys       json.Number `json:"buys"`
		Trims      json.Number `json:"trims"`
		USDOut     json.Number `json:"usd_out"`
		Exit       *string     `json:"exit"`
		TokensLeft json.Number `json:"tokens_left"`
		PnLUSD     json.Number `json:"pnl_usd"`
		Block      *string     `json:"block"`
		Pool       struct {
			Fed   json.Number            `json:"fed"`
			Lost  json.Number            `json:"lost"`
			Spent map[string]json.Number `json:"spent"`
		} `json:"pool"`
	}
	if err := json.Unmarshal([]byte(line), &trade); err != nil {
		t.Fatal(err)
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	p := trade.Pool
	fields := []string{trade.TradeID, text(trade.Token), text(trade.Timeframe), text(trade.OpenedAt), text(trade.ClosedAt), text(trade.EntrySlot),
		trade.Buys.String(), trade.Trims.String(), trade.USDOut.String(), text(trade.Exit), trade.TokensLeft.String(), trade.PnLUSD.String(),
		text(trade.Block), p.Fed.String(), p.Lost.String()}
	for _, what := range []string{"s2_dip_buy", "dx_ladder_complete", "s2_entry_new_trade", "unknown", "replaced", "adjusted"} {
		fields = append(fields, p.Spent[what].String())
	}
	return strings.Join(fields, ",")
}
