package readable

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// TestMemoryOfABoard: a block that stands takes at most 700 bytes beside its image, and of rows that came and went a board keeps little
// more than their places in its maps.
func TestMemoryOfABoard(t *testing.T) {
	const rows, standing, gone = 20000, 700, 250 // bytes for each
	b := NewBoard()
	before := reachable()
	for i := range rows {
		key := fmt.Sprintf("block/7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uH%06d\x00solana\x001h\x00onchain_crypto", i)
		at := func() schemas.Instant { return schemas.Instant(strings.Clone("2026-11-24T04:10:00.000000Z")) }
		b.Put(Row{key: key, failed: at(), block: &cdc.KnownBlock{Since: at(), FailureTS: at(), Stages: []schemas.Stage{schemas.S1, schemas.S2},
			Block: schemas.Block{TokenContract: key[6:50], TokenChain: key[51:57], Timeframe: key[58:60], BookID: key[61:]}}})
	}
	kept := (reachable() - before) / rows
	t.Logf("a block that stands takes %d bytes", kept)
	if kept > standing {
		t.Errorf("more than %d", standing)
	}
	for _, block := range b.Blocked() {
		p := block.Block
		b.Put(Row{key: fmt.Sprintf("block/%s\x00%s\x00%s\x00%s", p.TokenContract, p.TokenChain, p.Timeframe, p.BookID)})
	}
	if kept := (reachable() - before) / rows; len(b.blocks) > 0 || kept > gone {
		t.Errorf("%d blocks stand, and %d bytes are kept for each of %d that are gone", len(b.blocks), kept, rows)
	}
	runtime.KeepAlive(b)
}

// reachable returns the bytes of memory that are.
func reachable() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
