package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lowcap-cdc/schemas"
)

// oddLife are statements that a source should not make, and may. The positions are those of seedPositions.
var oddLife = []string{
	`update lowcap_positions set total_quantity = 'NaN', total_tokens_bought = 'Infinity', total_tokens_sold = '-Infinity', total_allocation_usd = 'NaN' where timeframe = 'p1'`,
	`update lowcap_positions set current_trade_id = gen_random_uuid(), status = 'active'`,
	`update lowcap_positions set features = '{"uptrend_engine_v4": {"exit_position": true, "price": 1e-300, "exit_reason": 7}, "pm_execution_history": {"last_s1_buy": {"timestamp": "2026-01-20T10:00:00+00:00", "price": 1e-300}}}'`,
	`update lowcap_positions set total_tokens_sold = 'NaN', total_extracted_usd = 1e300, closed_at = 'infinity', close_reason = E'x\ny\u202e' where timeframe in ('p1', 'p2')`,
	`update lowcap_positions set completed_trades = '[{"summary": {"total_pnl_usd": -1e-20, "decision_type": [], "outcome_class": {}}}]', current_trade_id = null where timeframe = 'p2'`,
	`update lowcap_positions set completed_trades = '[{"summary": []}]', current_trade_id = gen_random_uuid(), closed_at = '0044-03-15 BC' where timeframe = 'p1'`,
	`update lowcap_positions set completed_trades = '{"a": 1}', current_trade_id = null, total_quantity = -5 where timeframe = 'p1'`,
	`update lowcap_positions set completed_trades = '[7, null, "x"]', token_ticker = repeat('🚀"<b>', 100000) where timeframe = 'p3'`,
	`update lowcap_positions set token_ticker = E'\u202eFDP\n\x1b[2J', timeframe = '' where timeframe = 'p3'`,
	`update lowcap_positions set features = '"{\"pm_execution_history\": {\"last_trim\": {\"timestamp\": \"2026-01-20 11:00:00Z\", \"signal\": \"emergency_exit\", \"price\": \"\\ud800\"}}}"'::jsonb`,
	`update lowcap_positions set features = (select jsonb_build_object('pm_execution_history', jsonb_object_agg('k' || i, i)) from generate_series(1, 10000) i) where timeframe = ''`,
	`update lowcap_positions set features = ('{"pm_execution_history": {"trim_pool": ' || repeat('[', 900) || repeat(']', 900) || '}}')::jsonb where timeframe = 'p4'`,
	`update lowcap_positions set features = '[]' where timeframe = 'p4'`,
	`update lowcap_positions set features = null, status = repeat('s', 2000)`,
	`insert into token_timeframe_blocks values ('a/b', 'c/d', '', 'onchain_crypto', true, null, 'infinity', '-infinity', '0044-03-15 BC')`,
	`insert into token_timeframe_blocks values (repeat('x', 2000), '', '/', '', null, true, '20000-01-01', null, now())`,
	`update token_timeframe_blocks set blocked_s1 = not blocked_s1, book_id = book_id || '/', last_success_ts = 'infinity'`,
	`delete from lowcap_positions where timeframe = 'p2'`,
	`insert into lowcap_positions (token_chain, token_contract, timeframe, features) select '', '', '', '{"pm_execution_history": {"last_trim": {}}}' where not exists (select from lowcap_positions where token_chain = '')`,
	`truncate lowcap_positions`,
	`insert into lowcap_positions (token_chain, token_contract, timeframe, total_quantity, state) values ('solana', 'again', '1h', 'Infinity', 'S0')`,
	`update lowcap_positions set status = repeat('t', 3000)`,
}

// TestOddLife: whatever a source writes, every verb reads what came of it, and nothing differs from the tables.
func TestOddLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(5)
	to, events := s.file("x")
	s.drain("k", to)
	for i, sql := range oddLife {
		s.exec(sql)
		if i%3 == 0 {
			s.drain("k", to)
		}
	}
	s.drain("k", to)
	for _, line := range events() {
		if _, err := schemas.Parse(nil, []byte(line)); err != nil {
			t.Errorf("%v: %.300s", err, line)
		}
		if len(line) > 1<<20 {
			t.Errorf("%d bytes: %.300s", len(line), line)
		}
	}
	dir := t.TempDir()
	for _, verb := range []string{"tail --since 1d", "tail --since 1d --json", "trades", "trades --json", "trades --open", "trades X", "report --json",
		"report --out " + filepath.Join(dir, "r.html"), "audit verify", "audit verify --json", "audit again", "audit again --format json",
		"audit at 20", "audit compare", "status", "status --json", "check --json", "replay --into file:" + filepath.Join(dir, "copy"),
		"notify --to https://127.0.0.1:1/ --list --state " + dir, "reconcile --yes", "audit compare", "audit verify"} {
		cmd := exec.CommandContext(t.Context(), shared.binary, append(strings.Fields(verb), "--postgres", s.dsn(), "--sink", to, "--slot", s.name+"k")...)
		var said strings.Builder
		cmd.Stderr = &said
		stop := func() {}
		if verb == "audit compare" {
			stop = s.atWork(to)
		}
		out, err := cmd.Output()
		stop()
		if err != nil {
			t.Errorf("%s: %v: %.500s %.500s", verb, err, out, said.String())
		}
		if !strings.Contains(verb, "json") && strings.ContainsAny(string(out), "\x1b\u202e") {
			t.Errorf("%s prints what is not printable: %q", verb, out)
		}
	}
}

// atWork has an instance stream until stop is called: other tests write on the same server, and the sink must come past that.
func (s *site) atWork(to string) (stop func()) {
	s.t.Helper()
	run, _ := s.background(to, "streaming")
	return func() {
		run.Process.Kill() //nolint:errcheck // it runs
		run.Wait()         //nolint:errcheck // it was killed
		s.waitForFreeSlot("k")
	}
}
