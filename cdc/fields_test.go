package cdc

import (
	"encoding/json"
	"reflect"
	"testing"

	"lowcap-cdc/decode"
)

// fieldCase is one change, and what one of its events must say.
type fieldCase struct {
	before, after any
	annotated     bool
	event         string
	severity      string
	data          string // fields of data, as JSON
}

func withBlock(values map[string]any) decode.BlockRow {
	columns := map[string]any{"token_contract": "C", "token_chain": "solana", "timeframe": "1h", "book_id": "onchain_crypto",
		"blocked_s1": true, "blocked_s2": true, "last_s1_failure_ts": "2026-11-24 05:00:00+00", "last_s2_failure_ts": nil,
		"last_success_ts": nil}
	for name, value := range values {
		columns[name] = value
	}
	return blockRow(columns)
}

func withColumns(features string, values map[string]any) decode.PositionRow {
	columns := map[string]any{"id": "p", "token_chain": "solana", "token_contract": "C", "timeframe": "1h", "status": "active", "state": "S1",
		"current_trade_id": nil, "features": features}
	for name, value := range values {
		columns[name] = value
	}
	return positionRow(columns)
}

func poolOf(pool string) string { return `{"pm_execution_history": {"trim_pool": ` + pool + `}}` }

func fieldCases() map[string]fieldCase {
	shadow := `{"shadow_entry_data": {"entry_event": "S2.entry", "blocked_by": ["ts_gate", 1.50]}}`
	const open, recovering = `{"usd_basis": 60.0, "dx_count": 0, "recovery_started": false}`,
		`{"usd_basis": 60.0, "dx_count": 2, "recovery_started": true}`
	return map[string]fieldCase{
		"a block lifted by nobody known": {withBlock(nil), withBlock(map[string]any{"blocked_s1": false}), false,
			"entry_block.cleared", "warn", `{"trigger": "manual"}`},
		"a block lifted by somebody": {withBlock(nil), withBlock(map[string]any{"blocked_s1": false}), true,
			"entry_block.cleared", "info", `{"trigger": "manual"}`},
		"a block lifted by a success": {withBlock(nil), withBlock(map[string]any{"blocked_s1": false,
			"last_success_ts": "2026-11-24 05:30:00+00"}), false,
			"entry_block.cleared", "info", `{"trigger": "success", "blocked_for_seconds": {"s1": 1800, "s2": null}}`},
		"a block deleted": {withBlock(nil), nil, false, "entry_block.deleted", "info",
			`{"was_blocked": ["s1", "s2"], "blocked_for_seconds": {"s1": 3600.768, "s2": null}}`},
		"a pool adjusted": {withColumns(poolOf(open), nil),
			withColumns(poolOf(`{"usd_basis": 61.25, "dx_count": 0, "recovery_started": false, "note": "x"}`), nil), false,
			"trim_pool.adjusted", "info",
			`{"changed": ["note", "usd_basis"], "from": {"note": null, "usd_basis": 60.0}, "to": {"note": "x", "usd_basis": 61.25}, "delta_usd": 1.25}`},
		"a pool emptied": {withColumns(poolOf(recovering), nil), withColumns(poolOf(`{"usd_basis": 0}`), nil), false,
			"trim_pool.closed", "info", `{"delta_usd": -60.0}`},
		"a pool out of nowhere": {withColumns(`{}`, nil), withColumns(poolOf(open), nil), false,
			"trim_pool.opened", "info", `{"delta_usd": 60.0}`},
		"a basis that is no number": {withColumns(poolOf(`{"usd_basis": "60.0", "dx_count": 1, "recovery_started": true}`), nil),
			withColumns(poolOf(`{"usd_basis": 0}`), nil), false,
			"trim_pool.closed", "info", `{"delta_usd": 0}`},
		"a shadow, by its document": {withColumns(`{}`, nil), withColumns(shadow, map[string]any{"status": "shadow"}), false,
			"position.status_changed", "info", `{"entry_event": "S2.entry", "blocked_by": ["ts_gate", 1.50]}`},
		"a shadow, by its column": {withColumns(`{}`, nil), withColumns(shadow, map[string]any{"status": "shadow",
			"entry_event": "S1.entry"}), false,
			"position.status_changed", "info", `{"entry_event": "S1.entry"}`},
		"a shadow that is not sent": {withColumns(shadow, nil), withColumns("", map[string]any{"status": "shadow",
			"features": decode.Unchanged}), false,
			"position.status_changed", "info", `{"entry_event": null, "blocked_by": null}`},
		"a shadow encoded twice": {withColumns(`{}`, nil), withColumns(quoted(shadow), map[string]any{"status": "shadow"}), false,
			"position.status_changed", "info", `{"entry_event": "S2.entry"}`},
		"another status": {withColumns(shadow, nil), withColumns(shadow, map[string]any{"status": "paused"}), false,
			"position.status_changed", "info", `{"entry_event": null, "blocked_by": null}`},
	}
}

func quoted(text string) string {
	line, _ := json.Marshal(text) // a string marshals
	return string(line)
}

// TestFields are the fields of contract v1.2 that no story tells.
func TestFields(t *testing.T) {
	for name, c := range fieldCases() {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.snapshot(c.before)
			b.events = nil
			b.begin()
			if c.annotated {
				b.machine.annotate(&decode.Annotation{Content: []byte(`{"actor": "anna", "reason": "by hand"}`)})
			}
			switch row := c.after.(type) {
			case decode.BlockRow:
				b.apply(&decode.BlockChange{Op: decode.Update, New: row})
			case decode.PositionRow:
				b.apply(&decode.PositionChange{Op: decode.Update, New: row})
			default:
				b.apply(&decode.BlockChange{Op: decode.Delete, Old: c.before.(decode.BlockRow)})
			}
			b.commit()
			b.expectFields(c)
		})
	}
}

func (b *bench) expectFields(c fieldCase) {
	b.t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(c.data), &want); err != nil {
		b.t.Fatal(err)
	}
	for _, event := range b.events {
		if event["type"] != "lowcap."+c.event+".v1" {
			continue
		}
		data := event["data"].(map[string]any)
		for name, value := range want {
			if got, ok := data[name]; !ok || !reflect.DeepEqual(got, value) {
				b.t.Errorf("%s is %v, want %v", name, got, value)
			}
		}
		if event["severity"] != c.severity {
			b.t.Errorf("severity is %v, want %s", event["severity"], c.severity)
		}
		return
	}
	b.t.Errorf("no %s among %q", c.event, b.types())
}
