package readable

import (
	"fmt"
	"runtime"
	"testing"

	"lowcap-cdc/cdc"
)

// TestBoardGivesBack: of rows that came and went a board keeps little more than their places in its maps.
func TestBoardGivesBack(t *testing.T) {
	const rows, bound = 20000, 250 // bytes for each
	reachable := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	b := NewBoard()
	before := reachable()
	for i := range rows {
		b.Put(Row{key: fmt.Sprint(i), block: &cdc.KnownBlock{}, pool: &cdc.KnownPosition{}, waits: &cdc.KnownPosition{}, failed: "2026"})
	}
	for i := range rows {
		b.Put(Row{key: fmt.Sprint(i)})
	}
	if kept := reachable() - before; kept > rows*bound {
		t.Errorf("%d bytes are kept for each of %d rows that are gone", kept/rows, rows)
	}
	runtime.KeepAlive(b)
}
