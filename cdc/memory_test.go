package cdc

import (
	"fmt"
	"runtime"
	"testing"

	"lowcap-cdc/decode"
)

// TestMemoryOfAnImage: a position takes at most 240 bytes beyond its history, with all that the runtime adds, when it is
// new and however often it changed. The rest of the 300 that are promised is the file sink's index of live keys.
func TestMemoryOfAnImage(t *testing.T) {
	const rows, bound = 25000, 240 // the index has just grown: it never has more room for a row
	history := `{"prev_state": "S2", "last_s1_buy": {"price": 0.5, "timestamp": "2026-01-18T11:06:52.514883+00:00"}}`
	b := newBench(t)
	position := func(i int, status string) decode.PositionRow {
		return positionRow(map[string]any{"id": fmt.Sprintf("%08d-0000-4000-8000-%012d", i, i), "token_chain": "solana",
			"token_contract": fmt.Sprintf(
				"7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uH%06d",
				i,
			), "token_ticker": "WIF", "timeframe": "1h", "book_id": "social",
			"status": status, "state": "S4", "current_trade_id": nil, "total_quantity": "0", "total_allocation_usd": "0", "total_extracted_usd": "0",
			"total_tokens_bought": "0", "total_tokens_sold": "0", "closed_at": nil, "close_reason": nil, "created_at": "2026-01-18 11:06:52.514883+00",
			"completed_trades": "[]", "features": `{"pm_execution_history": ` + history + `}`})
	}
	before := heap()
	b.machine.begin(&decode.Begin{CommitLSN: 0x200, CommitTime: benchCommitTime, Snapshot: true, Tables: someTables})
	for i := range rows {
		b.applyAndForget(insertOf(position(i, "watchlist")))
	}
	fresh := (heap() - before) / rows
	b.machine.commit(&decode.Commit{CommitLSN: 0x200, EndLSN: 0x200})
	b.begin()
	for n := range 3 * rows {
		b.applyAndForget(&decode.PositionChange{Op: decode.Update, New: position(n*7919%rows, []string{"active", "dormant"}[n/rows%2])})
	}
	changed := (heap() - before) / rows
	t.Logf("an image takes %d bytes, %d after it has changed, %d of them its history", fresh, changed, len(history))
	if max(fresh, changed) > bound+len(history) {
		t.Errorf("more than %d", bound+len(history))
	}
	runtime.KeepAlive(b)
}

// applyAndForget applies one change and drops its events.
func (b *bench) applyAndForget(message decode.Message) {
	b.t.Helper()
	if _, err := b.machine.apply(message); err != nil {
		b.t.Fatal(err)
	}
	b.machine.out.reset()
}

// heap returns the bytes that are reachable.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
