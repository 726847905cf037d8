package cdc

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// step is one transaction of a story: when it commits, in seconds, what it does, and the events that it gives, each with the
// fields that are looked at.
type step struct {
	at   int
	do   string
	want string
}

// teller plays a story on one position, as the source writes it. Each word of a step changes the row; its change is made
// when the words are done:
//
//	tick            nothing: a transaction that tells the time
//	quantity=5      a column
//	exit, no-exit   the engine's flag exit_position; emergency, no-emergency
//	price=0.5       the engine's price
//	sell, buy-s1 …  records it in the history, at the step's time; revert takes the last record back
//	toast           the change does not carry features
//	delete, rekey, truncate, block, restart
type teller struct {
	*bench
	t       *testing.T
	columns map[string]any
	engine  map[string]any
	history map[string]json.RawMessage
	before  map[string]json.RawMessage // the history before the last record
}

const storyToken = "9xQmVh4Zt7cWnE2sKpB6uYdR1fJ8gLaT5oXvN3bCqHpump"

func newTeller(t *testing.T) *teller {
	return &teller{bench: newBench(t), t: t, engine: map[string]any{"state": "S3", "price": 0.5, "exit_reason": "ema333_lost"},
		history: map[string]json.RawMessage{}, columns: map[string]any{"id": "3d0c1a52-7f4e-4c1b-9a0e-6b1d5f2e8a11",
			"token_chain": "solana", "token_contract": storyToken, "token_ticker": "GLYPH", "timeframe": "1h",
			"book_id": "onchain_crypto", "status": "active", "state": "S3", "current_trade_id": "0b000000-0000-4000-8000-000000000001",
			"total_quantity": "1000", "total_allocation_usd": "100", "total_extracted_usd": "0", "total_tokens_bought": "2000",
			"total_tokens_sold": "0", "completed_trades": json.RawMessage("[]")}}
}

func (s *teller) row(toast bool) decode.PositionRow {
	columns := maps.Clone(s.columns)
	features, err := json.Marshal(map[string]any{"uptrend_engine_v4": s.engine, "pm_execution_history": s.history})
	if err != nil {
		s.t.Fatal(err)
	}
	columns["features"] = json.RawMessage(features)
	if toast {
		columns["features"] = decode.Unchanged
	}
	return positionRow(columns)
}

func (s *teller) beginAt(seconds int) {
	s.lsn += 0x100
	s.machine.begin(&decode.Begin{CommitLSN: s.lsn, CommitTime: benchCommitTime + decode.Micros(seconds)*second, XID: 7})
}

// commitTold commits as the pipeline does, in batches of one row where that is due.
func (s *teller) commitTold() {
	for told := false; !told; {
		var err error
		if told, err = s.machine.tellDue(); err != nil {
			s.t.Fatal(err)
		}
		if !told {
			s.machine.cut()
			s.drain()
		}
	}
	s.commit()
}

// restart continues from the state's bytes, as another process does.
func (s *teller) restart() {
	state := NewState()
	state.Checkpoint = s.machine.state.Checkpoint
	for _, table := range decode.Tables {
		keys := s.machine.state.images(table).keys()
		for ; keys.Len() > 0; keys.pop() {
			record := s.machine.state.record(row{table, keys.first()})
			if err := state.Load(record.Key, slices.Clone(record.Value)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.machine = newMachine(state, "")
}

func (s *teller) play(steps []step) {
	s.t.Helper()
	s.snapshotAt(0)
	s.events = nil
	for _, step := range steps {
		s.step(step)
	}
}

func (s *teller) snapshotAt(seconds int) {
	s.lsn += 0x100
	s.machine.begin(&decode.Begin{CommitLSN: s.lsn, CommitTime: benchCommitTime + decode.Micros(seconds)*second, Snapshot: true,
		Tables: someTables, Publication: 9})
	s.apply(insertOf(s.row(false)))
	if _, err := s.machine.finishRows(); err != nil {
		s.t.Fatal(err)
	}
	s.commit()
}

func (s *teller) step(of step) {
	s.t.Helper()
	s.events = nil
	words := strings.Fields(of.do)
	if slices.Contains(words, "restart") {
		s.restart()
	}
	if slices.Contains(words, "reconcile") {
		s.machine.gap = "the slot was dropped"
		for _, word := range words {
			s.word(word, of.at)
		}
		s.snapshotAt(of.at)
		s.expectLines(of)
		return
	}
	s.beginAt(of.at)
	changed := false
	for _, word := range words {
		changed = s.word(word, of.at) || changed
	}
	if changed {
		s.apply(&decode.PositionChange{Op: decode.Update, New: s.row(slices.Contains(words, "toast"))})
	}
	s.commitTold()
	s.expectLines(of)
}

// word does what a word of a step says, and reports whether the row is to be written.
func (s *teller) word(word string, at int) (changed bool) {
	name, value, isColumn := strings.Cut(word, "=")
	stamp := string(jsonb.FormatInstant(benchCommitTime + decode.Micros(at)*second))
	switch {
	case name == "price":
		s.engine["price"] = json.Number(value)
	case name == "reason":
		s.engine["exit_reason"] = value
	case name == "pnl":
		s.columns["completed_trades"] = json.RawMessage(fmt.Sprintf(`[{"summary": {"total_pnl_usd": %s, "decision_type": "emergency_exit",
			"outcome_class": "loss"}}]`, value))
	case isColumn && value == "null":
		s.columns[name] = nil
	case isColumn:
		s.columns[name] = value
	case word == "exit", word == "no-exit":
		s.engine["exit_position"] = word == "exit"
	case word == "emergency", word == "no-emergency":
		s.engine["emergency_exit"] = word == "emergency"
	case strings.HasPrefix(word, "sell"), strings.HasPrefix(word, "buy-"), word == "record":
		s.before = maps.Clone(s.history)
		s.record(word, stamp)
	case word == "buyback":
		s.history["lotus_buyback"] = json.RawMessage(`{"skipped": true}`)
	case word == "signal":
		s.history["last_trim_signal"] = json.RawMessage(`{"timestamp": "` + stamp + `", "sr_level_price": 1}`)
	case word == "revert":
		signal := s.history["last_trim_signal"]
		if s.history = maps.Clone(s.before); signal != nil {
			s.history["last_trim_signal"] = signal
		}
	case word == "delete":
		s.apply(&decode.PositionChange{Op: decode.Delete, Old: s.row(true)})
		return false
	case word == "truncate":
		s.apply(&decode.Truncate{Tables: []decode.Table{decode.Positions}})
		return false
	case name == "rekey", name == "rekey-toast":
		var old decode.PositionRow
		old[decode.PositionID] = s.row(true)[decode.PositionID]
		s.columns["id"] = "4d0c1a52-7f4e-4c1b-9a0e-6b1d5f2e8a11"
		s.apply(&decode.PositionChange{Op: decode.Update, HasOld: true, Old: old, New: s.row(name == "rekey-toast")})
		return false
	case word == "block":
		s.apply(&decode.BlockChange{Op: decode.Insert, New: blockRow(map[string]any{"token_contract": storyToken, "token_chain": "solana",
			"timeframe": "1h", "book_id": "onchain_crypto", "blocked_s1": true, "blocked_s2": true, "last_s1_failure_ts": stamp,
			"last_s2_failure_ts": nil, "last_success_ts": nil})})
		return false
	case word == "gone":
		s.apply(&decode.TableGone{Table: decode.Positions, ID: someTables[decode.Positions], Why: "it was dropped"})
		return false
	case word == "toast":
		return true
	default:
		return false // tick, restart, reconcile
	}
	return true
}

func (s *teller) record(word, stamp string) {
	signal := map[string]string{"sell": "trim_flag", "sell-emergency": "emergency_exit", "sell-structural": "exit_position"}[word]
	switch {
	case signal != "":
		s.history["last_trim"] = json.RawMessage(`{"timestamp": "` + stamp + `", "price": 0.5, "sr_level_price": 1, "signal": "` + signal + `"}`)
	case word == "record":
		s.history["last_emergency_exit"] = json.RawMessage(`{"timestamp": "` + stamp + `", "exit_value_usd": 5, "rebuy_used": false}`)
	default:
		s.history["last_"+strings.TrimPrefix(word,
			"buy-")+"_buy"] = json.RawMessage(`{"timestamp": "` + stamp + `", "price": 0.5, "signal": "buy"}`)
	}
}

// shown are the fields that stories look at, by type.
var shown = map[string]string{
	"emergency_exit.pending":   "flag held_quantity engine_price value_usd reminder exit_reason",
	"emergency_exit.settled":   "outcome held_quantity",
	"emergency_exit.abandoned": "quantity value_usd wanted last_sell",
	"emergency_exit.executed":  "remaining_quantity first_event_id", "emergency_exit.triggered": "first_event_id",
	"execution.unrecorded": "direction tokens usd held_quantity", "execution.trim_recorded": "remaining_quantity",
	"entry_block.not_set": "pnl_usd stages block", "execution.reverted": "cause",
	"trade.closed": "remaining_quantity pnl_usd decision_type outcome_class", "buyback.recorded": "trade_id",
}

func (s *teller) expectLines(of step) {
	s.t.Helper()
	var got []string
	for _, event := range s.events {
		name := strings.TrimSuffix(strings.TrimPrefix(event["type"].(string), "lowcap."), ".v1")
		data := event["data"].(map[string]any)
		line := name + "[" + event["severity"].(string) + "]"
		for _, field := range strings.Fields(shown[name]) {
			if value := data[field]; value != nil {
				text, _ := json.Marshal(value)
				line += " " + field + "=" + strings.Trim(string(text), `"`)
			}
		}
		if flags := data["flags"].([]any); len(flags) > 0 && shown[name] != "" {
			line += fmt.Sprint(" ", flags)
		}
		got = append(got, line)
	}
	var want []string
	for _, line := range strings.Split(of.want, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			want = append(want, line)
		}
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("at %d s, %s:\n got %s\nwant %s", of.at, of.do, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func stories() map[string][]step {
	const pending = "emergency_exit.pending[page] flag=exit_position held_quantity=1000 engine_price=0.5 value_usd=500 reminder=0 exit_reason=ema333_lost"
	reminder := func(n int) string { return strings.Replace(pending, "reminder=0", fmt.Sprintf("reminder=%d", n), 1) }
	const trade2 = "current_trade_id=0b000000-0000-4000-8000-000000000002"
	return map[string][]step{
		"an exit that fails, and a trade closed over its tokens": {
			{10, "exit", ""}, {70, "price=0.4", ""}, {609, "tick", ""},
			{610, "tick", strings.NewReplacer("=0.5", "=0.4", "=500", "=400").Replace(pending)},
			{700, "exit quantity=1 total_quantity=0 current_trade_id=null status=watchlist", `
				position.status_changed[info]
				trade.closed[info] remaining_quantity=1000 [tokens_left]
				emergency_exit.settled[info] outcome=closed held_quantity=1000
				emergency_exit.abandoned[page] quantity=1000 value_usd=400 wanted=true`},
		},
		"reminders": {
			{0, "exit", ""}, {600, "tick", pending}, {4199, "tick", ""}, {4200, "tick", reminder(1)}, {25799, "tick", ""},
			{25800, "restart", reminder(2)},
			{90000, "tick", reminder(3)}, // long silence: one reminder, not three
			{90601, "no-exit", "emergency_exit.settled[info] outcome=withdrawn held_quantity=1000"},
			{90700, "tick", ""},
		},
		"withdrawn just before it is due":                 {{0, "exit", ""}, {599, "no-exit", ""}, {600, "tick", ""}, {1300, "tick", ""}},
		"withdrawn in the transaction in which it is due": {{0, "exit", ""}, {600, "no-exit", ""}},
		"no longer wanted, and wanted again": {{0, "exit", ""}, {100, "no-exit", ""}, {200, "exit", ""}, {700, "tick", ""},
			{800, "tick", pending}},
		"sold in the same tick": {
			{0, "exit", ""}, {3, "total_quantity=0 total_tokens_sold=1000 total_extracted_usd=45 toast", ""},
			{5, "sell-structural", "emergency_exit.executed[page] remaining_quantity=0 [no_pool_change]"}, {700, "tick", ""}},
		"a partial fill before the first page begins the count anew": {
			{0, "emergency", ""}, {300, "total_quantity=400 total_tokens_sold=600 sell-emergency",
				"emergency_exit.executed[page] remaining_quantity=400 [no_pool_change tokens_left]"},
			{600, "tick", ""}, {899, "tick", ""},
			{
				900,
				"tick",
				"emergency_exit.pending[page] flag=emergency_exit held_quantity=400 engine_price=0.5 value_usd=200 reminder=0 exit_reason=ema333_lost",
			},
			{1000, "total_quantity=300 total_tokens_sold=700 sell-emergency",
				"emergency_exit.executed[page] remaining_quantity=300 [no_pool_change tokens_left]"},
			{
				4500,
				"tick",
				"emergency_exit.pending[page] flag=emergency_exit held_quantity=300 engine_price=0.5 value_usd=150 reminder=1 exit_reason=ema333_lost",
			},
		},
		"executed, recorded two transactions later": {
			{0, "exit", ""}, {600, "tick", pending}, {700, "total_quantity=0 total_tokens_sold=1000 toast", ""},
			{820, "sell-structural", `
				emergency_exit.executed[page] remaining_quantity=0 [no_pool_change]
				emergency_exit.settled[info] outcome=executed held_quantity=1000`}, {2000, "tick", ""}},
		"executed, recorded in the same change": {
			{0, "exit", ""}, {600, "tick", pending}, {700, "total_quantity=0 total_tokens_sold=1000 sell-structural", `
				emergency_exit.executed[page] remaining_quantity=0 [no_pool_change]
				emergency_exit.settled[info] outcome=executed held_quantity=1000`}},
		"emptied: a wallet scan found nothing": {
			{0, "exit", ""}, {600, "tick", pending}, {700, "total_quantity=0", ""}, {819, "tick", ""},
			{820, "tick", "emergency_exit.settled[info] outcome=emptied held_quantity=1000"}, {2000, "tick", ""}},
		"emptied, and its fill without a record": {
			{0, "exit", ""}, {600, "tick", pending}, {700, "total_quantity=0 total_tokens_sold=1000 total_extracted_usd=45.5 toast", ""},
			{830, "tick", `
				emergency_exit.settled[info] outcome=emptied held_quantity=1000
				execution.unrecorded[page] direction=sell tokens=1000 usd=45.5 held_quantity=0`}, {2000, "tick", ""}},
		"the row is deleted": {{0, "exit", ""}, {600, "tick", pending}, {700, "delete", `
				position.deleted[info]
				emergency_exit.settled[info] outcome=closed held_quantity=1000`}, {2000, "tick", ""}},
		"the table is emptied": {{0, "exit", ""}, {600, "tick", pending}, {700, "truncate", `
				table.truncated[warn]
				position.deleted[info]
				emergency_exit.settled[info] outcome=closed held_quantity=1000`}, {2000, "tick", ""}},
		"the row gets another key": {{0, "exit", ""}, {600, "tick", pending}, {700, "rekey", `
				position.deleted[info]
				emergency_exit.settled[info] outcome=closed held_quantity=1000
				position.created[info]
				position.baseline[info]`}, {1299, "tick", ""}, {1300, "tick", pending}},
		"the row gets another key, and its document is unchanged TOAST": {{0, "exit", ""}, {600, "tick", pending}, {700, "rekey-toast", `
				position.deleted[info]
				emergency_exit.settled[info] outcome=closed held_quantity=1000
				position.created[info]
				position.baseline[info]`}, {1299, "tick", ""}, {1300, "tick", pending}},
		"the engine's part is unchanged TOAST": {{0, "exit", ""}, {100, "total_quantity=900 toast", ""},
			{600, "tick", strings.NewReplacer("=1000", "=900", "=500", "=450").Replace(pending)}},
		"dust is not held": {{0, "exit total_quantity=0.002", ""}, {600, "tick", ""}, {610, "total_quantity=0.0021", ""},
			{
				1210,
				"tick",
				"emergency_exit.pending[page] flag=exit_position held_quantity=0.0021 engine_price=0.5 value_usd=0.00105 reminder=0 exit_reason=ema333_lost",
			}},
		"a quantity that is no number is held": {{0, "exit total_quantity=NaN", ""},
			{600, "tick", "emergency_exit.pending[page] flag=exit_position held_quantity=NaN engine_price=0.5 reminder=0 exit_reason=ema333_lost"}},
		"both flags, and the flag as it was": {{0, "emergency", ""}, {10, "exit", ""},
			{600, "tick", strings.Replace(pending, "flag=exit_position", "flag=emergency_exit", 1)}},
		"the table leaves, and comes back": {{0, "exit", ""}, {300, "gone", "table.missing[warn]"}, {700, "tick", ""},
			{800, "reconcile", `
				stream.gap[page]
				table.present[info]
				stream.gap[page]
				stream.reconciled[info]`}, {801, "tick", pending}},
		"closed with a sell in the same change": {
			{10, "total_quantity=0 total_tokens_sold=1000 current_trade_id=null sell pnl=-5", `
				execution.trim_recorded[info] remaining_quantity=0 [no_pool_change]
				trade.closed[info] remaining_quantity=0 pnl_usd=-5 decision_type=emergency_exit outcome_class=loss`}, {700, "tick", ""}},
		"closed with a part sold in the same change": {
			{5, "sell total_tokens_sold=10 total_quantity=990", "execution.trim_recorded[info] remaining_quantity=990 [no_pool_change]"},
			{10, "total_quantity=0 total_tokens_sold=400.5 current_trade_id=null toast", `
				trade.closed[info] remaining_quantity=599.5 [tokens_left]
				emergency_exit.abandoned[page] quantity=599.5 wanted=false last_sell={"price":0.5,"signal":"trim_flag","sr_level_price":1,"timestamp":"2026-11-24T06:00:05.000000Z"}`},
			{130, "tick", "execution.unrecorded[page] direction=sell tokens=390.5 usd=0 held_quantity=0"}},
		"closed in a gap of the stream": {{10, "reconcile total_quantity=0 total_tokens_sold=0 current_trade_id=null", `
				stream.gap[page]
				trade.closed[info]
				stream.reconciled[info]`}, {700, "tick", ""}},
		"a fill before a gap, recorded in it": {{0, "total_tokens_sold=450 toast", ""}, {60, "reconcile sell", `
				stream.gap[page]
				execution.trim_recorded[info] remaining_quantity=1000 [no_pool_change]
				stream.reconciled[info]`}, {1000, "tick", ""}},
		"a fill in a gap": {{60, "reconcile total_tokens_sold=450", "stream.gap[page]\nstream.reconciled[info]"}, {1000, "tick", ""}},
		"a fill without a record": {{0, "total_quantity=550 total_tokens_sold=450 total_extracted_usd=22.5 toast", ""}, {119, "tick", ""},
			{120, "restart", "execution.unrecorded[warn] direction=sell tokens=450 usd=22.5 held_quantity=550"}, {1000, "tick", ""}},
		"two fills of one waiting time are one event": {{0, "total_quantity=1400 total_tokens_bought=2400 total_allocation_usd=120 toast", ""},
			{60, "total_quantity=1500 total_tokens_bought=2500.5 total_allocation_usd=125.25 toast", ""},
			{120, "tick", "execution.unrecorded[warn] direction=buy tokens=500.5 usd=25.25 held_quantity=1500"}, {1000, "tick", ""}},
		"a record covers all growth so far, also when it is reverted at once": {{0, "total_tokens_sold=10 toast", ""}, {2,
			"total_tokens_sold=20 toast", ""},
			{5, "sell", "execution.trim_recorded[info] remaining_quantity=1000 [no_pool_change]"},
			{6, "revert", "execution.reverted[info] cause=same_tick"}, {1000, "tick", ""}},
		"a record that comes too late": {{0, "total_tokens_sold=10 toast", ""}, {121, "sell", `
				execution.trim_recorded[info] remaining_quantity=1000 [no_pool_change]
				execution.unrecorded[warn] direction=sell tokens=10 usd=0 held_quantity=1000`}},
		"sums wiped at a close do not forget what waits": {{0, "total_quantity=0 total_tokens_sold=1000 total_extracted_usd=45 toast", ""},
			{60, "current_trade_id=null total_tokens_sold=0 total_tokens_bought=0 total_extracted_usd=0 toast",
				"trade.closed[info] remaining_quantity=0"},
			{120, "tick", "execution.unrecorded[page] direction=sell tokens=1000 usd=45 held_quantity=0"}},
		"a quantity rewritten by a wallet scan is no fill": {{0, "total_quantity=1 toast", ""}, {1000, "tick", ""}},
		"a row without the sums of USD": {{0, "total_extracted_usd=null total_tokens_sold=5 toast", ""}, {120,
			"tick", "execution.unrecorded[warn] direction=sell tokens=5 held_quantity=1000"}},
		"sums that become no number": {{0, "total_tokens_sold=NaN toast", ""}, {120, "tick",
			"execution.unrecorded[warn] direction=sell tokens=NaN usd=0 held_quantity=1000"}},
		"a fill and the row deleted": {{0, "total_tokens_sold=5 toast", ""}, {10, "delete", `
				position.deleted[info]
				execution.unrecorded[warn] direction=sell tokens=5 usd=0 held_quantity=1000`}, {1000, "tick", ""}},
		"a losing trade sets no block": {
			{10, "buy-s1", "execution.buy_recorded[info]"}, {11, "revert", "execution.reverted[info] cause=same_tick"},
			{100, "current_trade_id=null total_quantity=0 total_tokens_sold=1000 pnl=-55.0 sell", `
				execution.trim_recorded[info] remaining_quantity=0 [no_pool_change]
				trade.closed[info] remaining_quantity=0 pnl_usd=-55 decision_type=emergency_exit outcome_class=loss`},
			{219, "tick", ""}, {220, "restart", "entry_block.not_set[warn] pnl_usd=-55 stages=[\"s1\"]"},
			{300, trade2 + " total_quantity=10", "trade.opened[info]"}, {310, "buy-s2", "execution.buy_recorded[info]"},
			{400, "current_trade_id=null total_quantity=0 total_tokens_sold=1010 completed_trades=[] sell", `
				execution.trim_recorded[info] remaining_quantity=0 [no_pool_change]
				trade.closed[info] remaining_quantity=0`}},
		"the block is set in time": {{10, "buy-s1", "execution.buy_recorded[info]"},
			{100, "current_trade_id=null total_quantity=0 total_tokens_sold=1000 pnl=-55.0 sell", `
				execution.trim_recorded[info] remaining_quantity=0 [no_pool_change]
				trade.closed[info] remaining_quantity=0 pnl_usd=-55 decision_type=emergency_exit outcome_class=loss`},
			{220, "block", "entry_block.set[info]"}, {1000, "tick", ""}},
		"a winner, and a trade that bought in S3, need no block": {{10, "buy-s3", "execution.buy_recorded[info]"},
			{100, "current_trade_id=null total_quantity=0 total_tokens_sold=1000 pnl=-1 sell", `
				execution.trim_recorded[info] remaining_quantity=0 [no_pool_change]
				trade.closed[info] remaining_quantity=0 pnl_usd=-1 decision_type=emergency_exit outcome_class=loss`}, {1000, "tick", ""}},
		"an exit's sell and its record are one alarm": {
			{10, "sell-emergency", "emergency_exit.executed[page] remaining_quantity=1000 [no_pool_change tokens_left]"},
			{70, "record", "emergency_exit.triggered[info] first_event_id=7421/0/300/0/0"},
			{80, "sell-structural", "emergency_exit.executed[page] remaining_quantity=1000 [no_pool_change tokens_left]"},
			{141, "record", "emergency_exit.triggered[page]"}},
		"an exit's record and its sell in one change": {{10, "record sell-emergency", `
			emergency_exit.executed[page] remaining_quantity=1000 [no_pool_change tokens_left]
			emergency_exit.triggered[info] first_event_id=7421/0/300/0/0`}},
		"a revert long after, and one by another write": {
			{10, "sell", "execution.trim_recorded[info] remaining_quantity=1000 [no_pool_change]"}, {41, "revert",
				"execution.reverted[warn] cause=later_write"},
			{100, "sell", "execution.trim_recorded[info] remaining_quantity=1000 [no_pool_change]"},
			{101, "buy-s2", "execution.buy_recorded[info]"}, {102, "sell",
				"execution.trim_recorded[info] remaining_quantity=1000 [no_pool_change]"},
			{103, "signal revert", "execution.trim_signaled[info]\nexecution.reverted[info] cause=same_tick"}},
		"buybacks": {{10, "current_trade_id=null total_quantity=0 total_tokens_sold=1000 sell buyback", `
				execution.trim_recorded[info] remaining_quantity=0 [no_pool_change]
				buyback.recorded[info] trade_id=0b000000-0000-4000-8000-000000000001
				trade.closed[info] remaining_quantity=0`},
			{20, trade2, "trade.opened[info]"},
			{30, "current_trade_id=null", `
				buyback.recorded[info] trade_id=0b000000-0000-4000-8000-000000000002 [maybe_leftover]
				trade.closed[info] remaining_quantity=0`},
			{40, trade2, "trade.opened[info]"}, {50, "current_trade_id=null toast", "trade.closed[info] remaining_quantity=0"}},
	}
}

// TestStories plays what the source does, and what it leaves undone.
func TestStories(t *testing.T) {
	for name, steps := range stories() {
		t.Run(name, func(t *testing.T) { newTeller(t).play(steps) })
	}
}

// TestFirstSight: a snapshot, an insert and an update of a row that no one knew find an exit that is wanted already; its ten
// minutes count from there.
func TestFirstSight(t *testing.T) {
	for name, first := range map[string]func(s *teller){
		"snapshot": func(s *teller) { s.snapshotAt(0) },
		"insert":   func(s *teller) { s.beginAt(0); s.apply(insertOf(s.row(false))); s.commitTold() },
		"update": func(s *teller) {
			s.beginAt(0)
			s.apply(&decode.PositionChange{Op: decode.Update, New: s.row(false)})
			s.commitTold()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTeller(t)
			s.engine["emergency_exit"] = true
			first(s)
			s.step(step{599, "tick", ""})
			s.step(step{600, "tick", "emergency_exit.pending[page] flag=emergency_exit held_quantity=1000 engine_price=0.5 " +
				"value_usd=500 reminder=0 exit_reason=ema333_lost"})
		})
	}
}

// TestBooksOfAnUnknownHistory: a row that was first seen without its document says nothing of what was recorded.
func TestBooksOfAnUnknownHistory(t *testing.T) {
	s := newTeller(t)
	s.beginAt(0)
	s.apply(&decode.PositionChange{Op: decode.Update, New: s.row(true)})
	s.commitTold()
	for _, of := range []step{{10, "total_tokens_sold=5 toast", ""}, {12, "sell", "position.baseline[info]"}, {200, "tick", ""},
		{210, "total_tokens_sold=7 toast", ""}, {330, "tick", "execution.unrecorded[warn] direction=sell tokens=2 usd=0 held_quantity=1000"}} {
		s.step(of)
	}
}
