package consumers

import (
	"os/exec"
	"testing"

	"lowcap-cdc/schemas"
)

// day is one on which each question was answered wrongly before. The answers are worked out by hand, in the comments.
func day() *chronicle {
	c := newChronicle()
	both := []schemas.Stage{schemas.S1, schemas.S2}
	set := func(stages []schemas.Stage, trigger string, failed schemas.PerStage[schemas.Instant]) *schemas.EntryBlockSet {
		return &schemas.EntryBlockSet{Stages: stages, Trigger: trigger, FailureTS: failed}
	}
	// C1: S1 fails and blocks both stages, S2 with a failure of another day in its row; it fails again after 1,000 s; an hour after the
	// beginning both are free. That is 3,600 s for each stage, not 2,600, and not 7,200 for the token.
	began := instant(c.at)
	c.change(0, block("1", "onchain_crypto"), set(both, "s1_failure", schemas.PerStage[schemas.Instant]{S1: began, S2: "2026-01-10T00:00:00.000000Z"}))
	c.change(0, block("1", "spot_book"), set(both, "manual", schemas.PerStage[schemas.Instant]{})) // nobody asks it
	c.source = "/postgres/8/trading"                                                               // the history goes on from another server
	c.change(1000, block("1", "onchain_crypto"), &schemas.EntryBlockRefreshed{Stages: both, Trigger: "s1_and_s2_failure"})
	c.change(2600, block("1", "onchain_crypto"), &schemas.EntryBlockCleared{Stages: both, Trigger: "success",
		BlockedForSeconds: schemas.PerStage[schemas.Number]{S1: "2600", S2: "2600"}})
	// C2: blocked by hand for 60 s until its row is gone; C3: blocked before the stream began, nobody knows since when, and C4 since
	// 10:00:00; both still are. C5: its end alone is known.
	c.change(0, block("2", "onchain_crypto"), set(both[:1], "manual", schemas.PerStage[schemas.Instant]{}))
	c.change(60, block("2", "onchain_crypto"), &schemas.EntryBlockDeleted{WasBlocked: both[:1]})
	c.change(0, block("3", "onchain_crypto"), &schemas.EntryBlockBaseline{Stages: both[1:]})
	c.change(0, block("4", "onchain_crypto"), &schemas.EntryBlockBaseline{Stages: both[:1], FailureTS: schemas.PerStage[schemas.Instant]{S1: began}})
	c.change(0, block("4", "onchain_crypto"), &schemas.EntryBlockBaseline{Stages: both[:1], FailureTS: schemas.PerStage[schemas.Instant]{S1: began}})
	c.change(0, block("5", "onchain_crypto"), &schemas.EntryBlockCleared{Stages: both[:1], Trigger: "success",
		BlockedForSeconds: schemas.PerStage[schemas.Number]{S1: "7.5"}})
	c.trims()
	c.losses()
	c.change(100, position("1", ""), &schemas.PositionStatusChanged{}) // two hours after the beginning
	return c
}

// trims makes four: one stays, one is taken back twice, one once by a later write; one is in a trade with an exit that is reverted too.
func (c *chronicle) trims() {
	trim := func(usd, basis schemas.Number) {
		c.change(1, position("1", "A"), &schemas.ExecutionTrimRecorded{ProceedsUSD: usd, RemainingQuantity: "1"},
			&schemas.TrimPoolIncreased{USDBasis: basis, AddedUSD: usd, Cause: "trim", DeltaUSD: usd})
	}
	revert := func(cause string, usd schemas.Number) {
		reverted := schemas.Reverted{Key: "last_trim", Cause: cause}
		c.change(1, position("1", "A"), &schemas.ExecutionReverted{Reverted: reverted}, &schemas.TrimPoolReverted{Reverted: reverted, DeltaUSD: usd})
	}
	trim("10.10", "10.10")
	trim("5", "15.10")
	revert("same_tick", "-5")
	c.change(1, position("1", "A"), &schemas.ExecutionRestored{}, &schemas.TrimPoolRestored{DeltaUSD: "5"})
	revert("same_tick", "-5")
	trim("7.90", "18")
	revert("later_write", "-7.90")
	c.change(1, position("1", "A"), &schemas.ExecutionReverted{Reverted: schemas.Reverted{Key: "last_trim_signal"}})
	trim("2", "12.10")
	c.change(1, position("1", "A"), &schemas.EmergencyExitExecuted{ProceedsUSD: "3"},
		&schemas.TrimPoolReplaced{OldBasis: "12.10", NewBasis: "3", DeltaUSD: "-9.10"})
	c.change(1, position("1", "A"), &schemas.ExecutionReverted{Reverted: schemas.Reverted{Key: "last_trim"}}) // of the exit's time
	c.change(1, position("1", "A"), &schemas.EmergencyExitPending{}, &schemas.ExecutionUnrecorded{Direction: "sell"})
	c.change(1, position("1", "A"), &schemas.ExecutionBuyRecorded{Slot: "s2"}, &schemas.TrimPoolClosed{ClosedBasis: "3", Reason: "s2_dip_buy", DeltaUSD: "-3"})
}

// losses makes five trades that lose: the first two set no block, of which one is told; the others set one, never bought early, or have
// not been over for long.
func (c *chronicle) losses() {
	lose := func(row, trade, slot string) {
		c.change(10, position(row, trade), &schemas.TradeOpened{TradeID: trade})
		c.change(10, position(row, trade), &schemas.ExecutionBuyRecorded{Slot: slot})
		c.change(10, position(row, ""), &schemas.TradeClosed{TradeID: trade, PnLUSD: "-1.5"})
	}
	lose("2", "told", "s1")
	c.change(120, block("2", "onchain_crypto"), &schemas.EntryBlockNotSet{TradeID: "told"})
	lose("2", "silent", "s2")
	lose("3", "late", "s3")
	lose("4", "sets", "s1")
	c.change(1, block("4", "onchain_crypto"), &schemas.EntryBlockRefreshed{Stages: []schemas.Stage{schemas.S1}, Trigger: "s1_failure"})
	c.change(3156, position("1", ""), &schemas.PositionStatusChanged{})
	lose("6", "new", "s1")
}

// TestRecipesOnADayOfStaleWrites: what each recipe must answer.
func TestRecipesOnADayOfStaleWrites(t *testing.T) {
	interpreter, dir := python(t, "python/requirements.txt"), t.TempDir()
	write(t, dir, 0, day().events)
	for query, want := range map[string]string{
		"blocked.sql": "C1,1h,s1,1,0,0,3600\nC1,1h,s2,1,0,0,3600\nC2,1h,s1,1,0,0,60\nC3,1h,s2,1,1,1,\nC4,1h,s1,1,1,0,7200\nC5,1h,s1,1,0,0,7.5\n",
		"pools.sql":   "1,T1,0,15.1,3,12.1,0\n", // 10.10 + 2 + 3 earned; what was reverted is not
		"reverts.sql": "2026-01-18T11,4,2,50,1\n",
		"losses.sql":  "told,T2,1h,2026-01-18T11:01:43.000000Z,-1.5,1\nsilent,T2,1h,2026-01-18T11:04:13.000000Z,-1.5,0\n",
	} {
		if got := sameDigits(output(t, exec.CommandContext(t.Context(), interpreter, "duckdb/query.py", dir, "lines.sql", "queries/"+query))); got != want {
			t.Errorf("%s:\n%swant\n%s", query, got, want)
		}
	}
}
