package cdc

import (
	"testing"

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
