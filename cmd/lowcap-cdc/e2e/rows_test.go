package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"lowcap-cdc/schemas"
	"lowcap-cdc/schemas/schematest"
)

// seedRows writes what the cases of TestRows start from.
func (s *site) seedRows() {
	s.seedPositions(2)
	s.exec(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts)
		select 'C' || i, 'solana', '1h', true, now() from generate_series(0, 1) i`)
}

// TestRows makes each of these changes in a real Postgres and reads what the binary says of it.
func TestRows(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 10000) + strings.Repeat("]", 10000)
	for name, c := range map[string]struct{ sql, want string }{
		"truncate blocks":    {`truncate token_timeframe_blocks`, "table.truncated entry_block.deleted entry_block.deleted"},
		"truncate positions": {`truncate lowcap_positions`, "table.truncated position.deleted position.deleted"},
		"truncate both": {`truncate lowcap_positions, token_timeframe_blocks`,
			"table.truncated table.truncated position.deleted position.deleted entry_block.deleted entry_block.deleted"},
		"truncate and insert again": {`begin; truncate token_timeframe_blocks; insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s2)
			values ('C0', 'solana', '1h', true); commit`, "table.truncated entry_block.deleted entry_block.deleted entry_block.set"},
		"key of a position": {`update lowcap_positions set id = md5('new')::uuid where timeframe = 'p0'`, "position.deleted position.created position.baseline"},
		"key of a block":    {`update token_timeframe_blocks set timeframe = '4h' where token_contract = 'C0'`, "entry_block.deleted entry_block.baseline"},
		"features null":     {features(`null`), "history.prev_state_changed"},
		"features SQL null": {`update lowcap_positions set features = null where timeframe = 'p0'`, "history.prev_state_changed"},
		"features array":    {features(`[{"pm_execution_history": {"prev_state": "S3"}}]`), "history.malformed"},
		"features string":   {features(`"hello"`), "history.malformed"},
		"double encoded":    {features(`"{\"pm_execution_history\": {\"prev_state\": \"S3\"}}"`), "history.prev_state_changed"},
		"unknown key":       {features(`{"pm_execution_history": {"prev_state": "S2", "notes": [1]}}`), "history.unknown_key"},
		"one megabyte": {`update lowcap_positions set features = jsonb_build_object('pm_execution_history', jsonb_build_object('prev_state', 'S3'), 'ta',
			(select string_agg(md5(i::text), '') from generate_series(1, 32768) i)) where timeframe = 'p0'`, "history.prev_state_changed"},
		"one megabyte in the history": {`update lowcap_positions set features = jsonb_build_object('pm_execution_history', jsonb_build_object('prev_state', 'S3', 'notes',
			(select string_agg(md5(i::text), '') from generate_series(1, 32768) i))) where timeframe = 'p0'`, "history.prev_state_changed history.unknown_key"},
		"deep in a sibling":   {features(`{"ta": ` + deep + `, "pm_execution_history": {"prev_state": "S3"}}`), "history.prev_state_changed"},
		"deep in the history": {features(`{"pm_execution_history": {"prev_state": "S3", "notes": ` + deep + `}}`), "history.prev_state_changed history.unknown_key"},
		"deep in the pool":    {features(`{"pm_execution_history": {"prev_state": "S2", "trim_pool": ` + deep + `}}`), "history.malformed"},
		"other column order": {`begin; alter table lowcap_positions add moved jsonb; update lowcap_positions set moved = features; alter table lowcap_positions drop features;
			alter table lowcap_positions rename moved to features; alter table token_timeframe_blocks rename blocked_s1 to old;
			alter table token_timeframe_blocks add blocked_s1 boolean; update token_timeframe_blocks set blocked_s1 = old; alter table token_timeframe_blocks drop old; commit;` +
			features(`{"pm_execution_history": {"prev_state": "S3"}}`) + `; update token_timeframe_blocks set blocked_s1 = false where token_contract = 'C0'`,
			"history.prev_state_changed entry_block.cleared"},
		"more columns": {`alter table lowcap_positions add extra text default 'x'; alter table token_timeframe_blocks add extra int; ` +
			features(`{"pm_execution_history": {"prev_state": "S3"}}`) + `; update token_timeframe_blocks set extra = 1; update token_timeframe_blocks set blocked_s1 = false, extra = 2 where token_contract = 'C0'`,
			"history.prev_state_changed entry_block.cleared"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.seedRows()
			sink, events := s.file("x")
			s.drain("f", sink)
			s.exec(c.sql)
			s.drain("f", sink)
			if got := names(t, events()[4:]); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func features(document string) string {
	return `update lowcap_positions set features = '` + document + `' where timeframe = 'p0'`
}

// names validates events and returns their types.
func names(t *testing.T, events []string) string {
	t.Helper()
	var all []string
	for _, text := range events {
		schematest.Validate(t, []byte(text))
		var e struct{ Type schemas.Type }
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Type.Name())
	}
	return strings.Join(all, " ")
}

// TestAnnotation: who annotates a transaction is named in the events behind the annotation, and in no other transaction.
func TestAnnotation(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedRows()
	sink, events := s.file("x")
	s.drain("f", sink)
	s.exec(`begin; select pg_logical_emit_message(true, 'lowcap-cdc', '{"actor":"anna","reason":"manual unblock"}');
		select pg_logical_emit_message(true, 'other', '{"actor":"bert"}'); update token_timeframe_blocks set blocked_s1 = false where token_contract = 'C0'; commit`)
	s.exec(`update token_timeframe_blocks set blocked_s1 = false where token_contract = 'C1'`)
	s.drain("f", sink)
	all := events()[4:]
	if got := names(t, all); got != "entry_block.cleared entry_block.cleared" {
		t.Fatalf("events %q", got)
	}
	if !strings.Contains(all[0], `"actor":"anna","reason":"manual unblock"`) || !strings.Contains(all[1], `"actor":null,"reason":null`) {
		t.Errorf("origins in %s", all)
	}
}
