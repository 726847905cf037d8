package cdc

import (
	"encoding/json"
	"testing"
)

// TestColumnOfTheBooksIsLost: a table that loses a column sells nothing by that. What was held is held, and the exit that does not
// come is told; nor is a sum that is not there one that shrank.
func TestColumnOfTheBooksIsLost(t *testing.T) {
	const pending = "emergency_exit.pending[page] flag=exit_position held_quantity=1000 engine_price=0.5 value_usd=500 reminder=0 exit_reason=ema333_lost"
	s := newTeller(t)
	s.play([]step{{10, "exit", ""}})
	for _, column := range booksColumns {
		delete(s.columns, column)
	}
	for _, next := range []step{
		{20, "status=paused", "position.status_changed[info]"}, {30, "restart status=active", "position.status_changed[info]"},
		{609, "tick", ""}, {610, "tick", pending},
		{700, "current_trade_id=null", `
			trade.closed[info] remaining_quantity=1000 [tokens_left]
			emergency_exit.settled[info] outcome=closed held_quantity=1000
			emergency_exit.abandoned[page] quantity=1000 value_usd=500 wanted=true`},
	} {
		s.step(next)
	}
}

var booksColumns = []string{"total_quantity", "total_allocation_usd", "total_extracted_usd", "total_tokens_bought", "total_tokens_sold", "token_ticker"}

// TestCompletedTradesAreLost: a column that is gone holds no fewer trades, and one that is back no more.
func TestCompletedTradesAreLost(t *testing.T) {
	s := newTeller(t)
	s.play([]step{{10, "pnl=-5 price=1", ""}})
	trades := s.columns["completed_trades"]
	delete(s.columns, "completed_trades")
	s.step(step{20, "price=2", ""})
	s.columns["completed_trades"] = trades
	s.step(step{30, "total_quantity=0 total_tokens_sold=1000 sell current_trade_id=null", `
		execution.trim_recorded[info] remaining_quantity=0 [no_pool_change]
		trade.closed[info] remaining_quantity=0`})
}

// TestEngineThatWasEncodedTwice: what the bot wants is read through a string, as the history is.
func TestEngineThatWasEncodedTwice(t *testing.T) {
	b := newBench(t)
	b.snapshot(featuresRow(`{"uptrend_engine_v4": {"exit_position": false, "price": 2}}`))
	b.events = nil
	row := featuresRow(`{"uptrend_engine_v4": "{\"state\": \"S3\", \"exit_position\": true, \"price\": 2}"}`)
	b.update(row)
	data, _ := b.machine.state.positions.get(row[0].Text)
	var image positionImage
	if err := image.decode(data); err != nil || image.wish != exitPosition {
		t.Errorf("wish %d: %v", image.wish, err)
	}
}

// TestBuyFromTheFuture: a failure after it is one of its trade all the same.
func TestBuyFromTheFuture(t *testing.T) {
	s := newTeller(t)
	s.play([]step{{0, "current_trade_id=0b000000-0000-4000-8000-000000000002", `
		trade.closed[info] remaining_quantity=1000 [tokens_left]
		trade.opened[info]
		emergency_exit.abandoned[page] quantity=1000 value_usd=500 wanted=false`}})
	s.history["last_s1_buy"] = json.RawMessage(`{"timestamp": "2062-01-20T10:00:00+00:00", "price": 0.5, "signal": "buy"}`)
	s.step(step{10, "price=0.6", "execution.buy_recorded[info]"})
	s.step(step{20, "block", "entry_block.set[info]"})
	s.step(step{30, "pnl=-5 total_quantity=0 total_tokens_sold=1000 sell current_trade_id=null", `
		execution.trim_recorded[info] remaining_quantity=0 [no_pool_change]
		trade.closed[info] remaining_quantity=0 pnl_usd=-5 decision_type=emergency_exit outcome_class=loss`})
	s.step(step{200, "tick", ""})
}

// TestClockThatIsSetBack: an exit an hour before the last one, by the clock, is another exit, and wakes somebody.
func TestClockThatIsSetBack(t *testing.T) {
	s := newTeller(t)
	s.play([]step{
		{7200, "record", "emergency_exit.triggered[page]"},
		{3600, "sell-emergency", "emergency_exit.executed[page] remaining_quantity=1000 [no_pool_change tokens_left]"},
	})
}

// TestWaitsWithAClockThatIsSetBack: what began while the clock was years ahead is told when the clock is right again.
func TestWaitsWithAClockThatIsSetBack(t *testing.T) {
	const ahead = 100000
	s := newTeller(t)
	s.play([]step{
		{ahead, "exit", ""},
		{10, "price=0.5 total_tokens_sold=5 toast", ""},
		{20, "price=0.6", ""},
		{130, "tick", "execution.unrecorded[warn] direction=sell tokens=5 usd=0 held_quantity=1000"},
		{610, "tick", "emergency_exit.pending[page] flag=exit_position held_quantity=1000 engine_price=0.6 value_usd=600 reminder=0 exit_reason=ema333_lost"},
		{ahead, "tick", "emergency_exit.pending[page] flag=exit_position held_quantity=1000 engine_price=0.6 value_usd=600 reminder=1 exit_reason=ema333_lost"},
		{700, "price=0.7", ""},
		{700 + 6*3600 + 60, "tick", "emergency_exit.pending[page] flag=exit_position held_quantity=1000 engine_price=0.7 value_usd=700 reminder=2 exit_reason=ema333_lost"},
	})
}
