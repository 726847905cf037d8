package lab

import (
	"fmt"
	"strings"
	"time"
)

// Step is a statement of the source, one transaction, and how long after the one before it is made by the server's clock.
type Step struct {
	Later time.Duration
	SQL   string
}

// Story is what the source writes of one token. A statement carries the whole document, read before and written back: the one that
// reads it is a step too. All of them belong on one connection.
type Story []Step

// Tokens of the stories, by which events, rows and pictures are found.
const (
	FailedExitToken = "FADE"
	LostRecordToken = "GHOST"
)

// FailedExit is a trade whose exit fails: bought in S2, a trim that the same tick's stale copy takes back, then the engine wants
// out and the swap fails at three ticks, four minutes apart; the engine reaches S0, and the trade is closed with 7,960 tokens left.
// Its loss sets no block.
func FailedExit() Story {
	w := newWriter(FailedExitToken, "0c000000-0000-4000-8000-000000000001")
	w.insert()
	w.later(time.Minute)
	w.books("state = 'S2', status = 'active', current_trade_id = '0c000000-0000-4000-8000-0000000000a1', total_quantity = 10000, " +
		"total_tokens_bought = 10000, total_allocation_usd = 500")
	w.record(`"prev_state": "S2", "last_s2_buy": {"timestamp": %s, "price": 0.05, "size_frac": 0.5, "signal": "buy_flag", "state": "S2"}`)
	w.later(40 * time.Minute)
	w.engine("S3", 0.06, "")
	w.read()
	w.books("total_quantity = 7960, total_tokens_sold = 2040, total_extracted_usd = 122.4")
	w.record(
		`"prev_state": "S3", "last_trim": {"timestamp": %s, "price": 0.06, "size_frac": 0.2, "signal": "trim_flag", "sr_level_price": 0.061}, ` +
			`"trim_pool": {"usd_basis": 122.4, "recovery_started": false, "dx_count": 0, "dx_last_price": null, "dx_next_arm": null}`,
	)
	w.later(time.Second)
	w.writeBack()
	w.later(30 * time.Minute)
	for _, price := range []float64{0.041, 0.04, 0.039} {
		w.engine("S3", price, "emergency_exit")
		w.later(4 * time.Minute)
	}
	w.engine("S0", 0.0389, "exit_position")
	w.later(time.Minute)
	w.books(`status = 'watchlist', state = 'S0', current_trade_id = null, total_quantity = 0, total_tokens_bought = 0, total_tokens_sold = 0,
		total_allocation_usd = 0, total_extracted_usd = 0, closed_at = now(), close_reason = 'state_transition',
		completed_trades = completed_trades || jsonb_build_array(jsonb_build_object('trade_id', '0c000000-0000-4000-8000-0000000000a1', 'actions', '[]'::jsonb,
		'summary', jsonb_build_object('decision_type', 'emergency_exit', 'outcome_class', 'loss', 'total_pnl_usd', -377.6, 'total_extracted_usd', 122.4)))`)
	return w.story
}

// LostRecord is an exit that is made, and whose record is lost: the books move, and the history's write never comes.
func LostRecord() Story {
	w := newWriter(LostRecordToken, "0c000000-0000-4000-8000-000000000002")
	w.insert()
	w.later(time.Minute)
	w.books("state = 'S3', status = 'active', current_trade_id = '0c000000-0000-4000-8000-0000000000a2', total_quantity = 5000, " +
		"total_tokens_bought = 5000, total_allocation_usd = 250")
	w.record(`"prev_state": "S3", "last_s3_buy": {"timestamp": %s, "price": 0.05, "size_frac": 0.5, "signal": "buy_flag", "state": "S3"}`)
	w.later(20 * time.Minute)
	w.engine("S3", 0.048, "exit_position")
	w.later(2 * time.Minute)
	w.books("total_quantity = 0, total_tokens_sold = 5000")
	w.books("total_extracted_usd = 240")
	return w.story
}

// writer writes a story.
type writer struct {
	token, id string
	story     Story
	wait      time.Duration
}

func newWriter(token, id string) *writer { return &writer{token: token, id: id} }

func (w *writer) later(d time.Duration) { w.wait += d }

func (w *writer) step(format string, args ...any) {
	w.story = append(w.story, Step{w.wait, fmt.Sprintf(format, args...)})
	w.wait = 0
}

// isoNow is the server's time as Python prints it.
const isoNow = `to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00'`

// insert makes the position. Its document is too large to be stored in line.
func (w *writer) insert() {
	w.step(`insert into lowcap_positions (id, token_chain, token_contract, token_ticker, timeframe, book_id, status, state, features)
		values ('%s', 'solana', '%s1111111111111111111111111111111111pump', '%s', '1h', 'onchain_crypto', 'watchlist', 'S1',
		jsonb_build_object('bars', (select string_agg(md5(i::text), '') from generate_series(1, 300) i),
		'uptrend_engine_v4', jsonb_build_object('state', 'S1', 'price', 0.05, 'emergency_exit', false, 'exit_position', false)))`, w.id, w.token, w.token)
}

// books moves columns; the statement does not touch the document.
func (w *writer) books(sets string) {
	w.step("update lowcap_positions set %s where id = '%s'", sets, w.id)
}

// engine writes the engine's part of the document.
func (w *writer) engine(state string, price float64, flag string) {
	w.step(
		`update lowcap_positions set state = '%[1]s', features = jsonb_set(features, '{uptrend_engine_v4}', jsonb_build_object('state', '%[1]s', 'price', %[2]v,
		'exit_reason', '%[3]s', 'emergency_exit', %[4]v, 'exit_position', %[5]v)) where id = '%[6]s'`,
		state,
		price,
		reasonOf[flag],
		flag == "emergency_exit",
		flag == "exit_position",
		w.id,
	)
}

var reasonOf = map[string]string{"emergency_exit": "price_below_ema333", "exit_position": "all_emas_below_333"}

// record adds to the history; %s stands for the server's time.
func (w *writer) record(members string) {
	document := "'{" + strings.ReplaceAll(members, "%s", `"' || `+isoNow+` || '"`) + "}'"
	w.step(`update lowcap_positions set features = jsonb_set(features, '{pm_execution_history}',
		coalesce(features -> 'pm_execution_history', '{}') || (%s)::jsonb) where id = '%s'`, document, w.id)
}

// read keeps a copy of the document, as a slow tick does.
func (w *writer) read() {
	w.step(`select set_config('story.copy', (select features::text from lowcap_positions where id = '%s'), false)`, w.id)
}

// writeBack writes that copy over what has come since.
func (w *writer) writeBack() {
	w.step(`update lowcap_positions set features = current_setting('story.copy')::jsonb where id = '%s'`, w.id)
}
