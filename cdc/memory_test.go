package cdc

import (
	"fmt"
	"runtime"
	"testing"

	"lowcap-cdc/decode"
)

// TestMemoryOfAnImage: a position takes at most 400 bytes beyond its history, with all that the runtime adds.
func TestMemoryOfAnImage(t *testing.T) {
	const rows, bound = 30000, 400
	history := `{"prev_state": "S2", "last_s1_buy": {"price": 0.5, "timestamp": "2026-01-18T11:06:52.514883+00:00"}}`
	b := newBench(t)
	b.machine.begin(&decode.Begin{CommitLSN: 0x200, CommitTime: benchCommitTime, Snapshot: true, Tables: someTables})
	before := heap()
	for i := range rows {
		row := positionRow(map[string]any{"id": fmt.Sprintf("%08d-0000-4000-8000-%012d", i, i), "token_chain": "solana",
			"token_contract": fmt.Sprintf("7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uH%06d", i), "token_ticker": "WIF", "timeframe": "1h", "book_id": "social",
			"status": "watchlist", "state": "S4", "current_trade_id": nil, "total_quantity": "0", "total_allocation_usd": "0", "total_extracted_usd": "0",
			"total_tokens_bought": "0", "total_tokens_sold": "0", "closed_at": nil, "close_reason": nil, "created_at": "2026-01-18 11:06:52.514883+00",
			"completed_trades": "[]", "features": `{"pm_execution_history": ` + history + `}`})
		if _, err := b.machine.apply(insertOf(row)); err != nil {
			t.Fatal(err)
		}
		b.machine.out.reset()
	}
	if each := (heap() - before) / rows; each > bound+len(history) {
		t.Errorf("an image takes %d bytes, %d of them its history", each, len(history))
	} else {
		t.Logf("an image takes %d bytes, %d of them its history", each, len(history))
	}
	runtime.KeepAlive(b)
}

// heap returns the bytes that are reachable.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
