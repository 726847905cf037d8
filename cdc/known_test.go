package cdc

import (
	"encoding/json"
	"strings"
	"testing"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// TestWaitsStand: who looks at the state sees exits that are wanted and not made, books without a record, and tokens that are
// held although the engine is in S0.
func TestWaitsStand(t *testing.T) {
	s := newTeller(t)
	s.play([]step{{0, "exit", ""}, {10, "total_tokens_sold=3 total_extracted_usd=1.5 state=S0 price=0.25 toast", ""}})
	stands := func() *KnownPosition {
		keys := s.machine.state.positions.keys()
		key := positionPrefix + keys.first()
		image, _ := s.machine.state.positions.get([]byte(keys.first()))
		known, err := ReadPosition(key, image)
		if err != nil {
			t.Fatal(err)
		}
		return known
	}
	at := stands()
	want := KnownExit{Since: "2026-11-24T06:00:00.000000Z", Flag: "exit_position", Reason: at.Exit.Reason, ValueUSD: "500"}
	if at.Exit == nil || *at.Exit != want || *want.Reason != "ema333_lost" || at.Quantity != "1000" || !at.Stranded {
		t.Errorf("%+v, %+v", at, at.Exit)
	}
	sold := KnownGrowth{Direction: "sell", Tokens: "3", USD: "1.5", Since: "2026-11-24T06:00:10.000000Z"}
	if len(at.Unrecorded) != 1 || at.Unrecorded[0] != sold {
		t.Errorf("unrecorded: %+v", at.Unrecorded)
	}
	s.step(step{600, "tick",
		"emergency_exit.pending[page] flag=exit_position held_quantity=1000 engine_price=0.5 value_usd=500 reminder=0 exit_reason=ema333_lost\n" +
			"execution.unrecorded[warn] direction=sell tokens=3 usd=1.5 held_quantity=1000"})
	if at = stands(); at.Exit.Told != 1 || len(at.Unrecorded) != 0 {
		t.Errorf("%+v, %+v", at, at.Exit)
	}
	s.step(step{700, "no-exit state=S1 total_quantity=0", ""})
	if at = stands(); at.Exit != nil || at.Stranded || at.Position.State == nil || at.PoolUSD != schemas.Number("") {
		t.Errorf("%+v", at)
	}
}

// TestLossStands: a loss without a block stands, also when it is not told, until the next trade ends.
func TestLossStands(t *testing.T) {
	s := newTeller(t)
	s.snapshotAt(0)
	const first, second = "0b000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002"
	const opens, closes = "current_trade_id=0b000000-0000-4000-8000-000000000002 buy-s2", "current_trade_id=null"
	for n, of := range []struct{ do, trade, pnl string }{
		{"buy-s1", "", ""}, {closes + " pnl=-5.50", "", ""}, {"tick", first, "-5.50"}, {"restart", first, "-5.50"},
		{opens, first, "-5.50"}, {closes + " pnl=-7", "", ""}, {"tick", second, "-7"}, {opens, second, "-7"}, {closes + " pnl=3", "", ""}, {"tick", "", ""},
	} {
		s.beginAt(200 * n)
		if of.do == "restart" {
			s.commitTold()
			s.restart()
			s.beginAt(200*n + 1)
		}
		s.columns["total_quantity"] = "0"
		s.columns["completed_trades"] = json.RawMessage("[]")
		for _, word := range strings.Fields(of.do) {
			s.word(word, 200*n)
		}
		if of.do != "tick" && of.do != "restart" {
			s.apply(&decode.PositionChange{Op: decode.Update, New: s.row(false)})
		}
		s.commitTold()
		keys := s.machine.state.positions.keys()
		image, _ := s.machine.state.positions.get([]byte(keys.first()))
		known, err := ReadPosition(positionPrefix+keys.first(), image)
		if err != nil {
			t.Fatal(err)
		}
		switch l := known.NotSet; {
		case l == nil && of.trade != "", l != nil && (l.TradeID != of.trade || string(l.PnLUSD) != of.pnl):
			t.Errorf("after %d, %s: %+v", n, of.do, l)
		case l != nil:
			block := blockPrefix + storyToken + "\x00solana\x001h\x00onchain_crypto"
			if l.BlockKey != block || l.Since == "" || l.FirstBuy == "" || len(l.Stages) != 1 {
				t.Errorf("%+v", l)
			}
		}
	}
}
