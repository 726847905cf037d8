package cdc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"lowcap-cdc/decode"
)

// tellOldRows is the life of some rows whose images testdata/images_v1.json holds as version 1 wrote them: a new one, one
// with values that were taken back and came again, one that cannot be read, one of which little is known, and a block.
func tellOldRows(b *bench) {
	position := func(id int, features string, more map[string]any) any {
		values := map[string]any{
			"id":                   fmt.Sprintf("0f2b3c4d-0000-4000-8000-%012d", id),
			"token_chain":          "solana",
			"token_contract":       "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr",
			"token_ticker":         "WIF",
			"timeframe":            "1h",
			"book_id":              "social",
			"status":               "watchlist",
			"state":                "S4",
			"current_trade_id":     nil,
			"total_quantity":       "0",
			"total_allocation_usd": "12.50",
			"closed_at":            nil,
			"close_reason":         "",
			"created_at":           "2026-01-18 11:06:52.514883+00",
			"completed_trades":     "[{}, {}]",
			"features":             features,
		}
		for name, v := range more {
			values[name] = v
		}
		return positionRow(values)
	}
	history := func(parts string) string { return `{"pm_execution_history": {` + parts + `}}` }
	buy := `"last_s1_buy": {"price": 0.5, "timestamp": "2026-01-18T11:06:52.514883+00:00"}`
	b.snapshot(
		position(1, history(buy), nil),
		position(2, history(buy), nil),
		position(3, history(`"trim_pool": {"usd_basis": 25}`), nil),
		blockRow(
			map[string]any{
				"token_contract":     "C",
				"token_chain":        "solana",
				"timeframe":          "1h",
				"book_id":            "onchain_crypto",
				"blocked_s1":         true,
				"blocked_s2":         nil,
				"last_s1_failure_ts": "2026-01-18 11:06:52.514883+00",
				"last_s2_failure_ts": nil,
				"last_success_ts":    "infinity",
			},
		),
	)
	trim := `"last_trim": {"timestamp": "2026-01-18T12:00:00Z", "signal": "trim_flag"}, "trim_pool": {"usd_basis": 60.0}`
	for _, parts := range []string{buy + "," + trim, buy, buy + "," + trim, `"prev_state": "S2"`} {
		b.update(position(2, history(parts), map[string]any{"current_trade_id": "0f2b3c4d-0000-4000-8000-00000000aaaa"}))
	}
	b.update(position(3, history(`"trim_pool": []`), map[string]any{"closed_at": "2026-01-18 11:06:52.514883+00", "completed_trades": "{}"}))
	b.update(position(3, history(`"trim_pool": [1], "last_trim": 3`), map[string]any{"closed_at": "infinity"}))
	unsent := position(4, history(""), nil).(decode.PositionRow)
	unsent[decode.FeaturesColumn] = decode.Value{Kind: decode.Unchanged}
	b.update(unsent)
}

// asWrittenNow returns an image as this version writes it, without what versions before 3 did not know.
func asWrittenNow(t *testing.T, r row, image []byte) []byte {
	t.Helper()
	if r.table == decode.Blocks {
		return image
	}
	var p positionImage
	if err := p.decode(image); err != nil {
		t.Fatal(err)
	}
	p.wish, p.waits = 0, waits{}
	return p.appendTo(nil)
}

// TestImagesOfOlderVersions: what they wrote reads as what this version makes of the same rows.
func TestImagesOfOlderVersions(t *testing.T) {
	for _, path := range []string{"testdata/images_v1.json", "testdata/images_v2.json"} {
		t.Run(path, func(t *testing.T) { readOlder(t, path) })
	}
}

func readOlder(t *testing.T, path string) {
	t.Helper()
	b, old := newBench(t), NewState()
	tellOldRows(b)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var records map[string][]byte
	if err := json.Unmarshal(text, &records); err != nil {
		t.Fatal(err)
	}
	for key, image := range records {
		if err := old.Load(key, image); err != nil {
			t.Fatal(err)
		}
		r := row{decode.Blocks, strings.TrimPrefix(key, blockPrefix)}
		if id, ok := strings.CutPrefix(key, positionPrefix); ok {
			r = row{decode.Positions, id}
		}
		got, want := asWrittenNow(t, r, old.record(r).Value), asWrittenNow(t, r, b.machine.state.record(r).Value)
		if !bytes.Equal(got, want) {
			t.Errorf("%q\n got %q\nwant %q", key, got, want)
		}
		if known, err := ReadPosition(key, image); err != nil || (known == nil) != (r.table == decode.Blocks) {
			t.Errorf("%q is read as %v, %v", key, known, err)
		}
	}
	if n, _ := old.Images(); n != 5 {
		t.Errorf("%d images", n)
	}
}
