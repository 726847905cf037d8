package pg

import (
	"strings"
	"testing"
)

// TestSnapshotOfAnotherTable: what was made anew, emptied or rewritten between a slot's creation and the first look at the rows is
// not taken for empty. (Found by the simulation.)
func TestSnapshotOfAnotherTable(t *testing.T) {
	t.Parallel()
	for _, ddl := range []string{"", "truncate token_timeframe_blocks", "alter table token_timeframe_blocks add column rewritten float8 default random()",
		"create table fresh (like token_timeframe_blocks including all); drop table token_timeframe_blocks; alter table fresh rename to token_timeframe_blocks"} {
		p := newPlace(t, "")
		p.exec(rowA)
		conn, err := p.config.connectReplication(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context()) //nolint:errcheck // the test is over
		slot, err := createSlot(t.Context(), conn, p.config.Slot, "TEMPORARY ", false)
		if err != nil {
			t.Fatal(err)
		}
		if ddl != "" {
			p.exec(ddl)
		}
		opened, err := openSnapshot(t.Context(), p.config, slot, readsAll)
		switch {
		case ddl == "" && err == nil:
			if opened.begin.Rows == 0 {
				t.Error("no rows")
			}
			opened.close(t.Context()) //nolint:errcheck // it was only opened
		case ddl == "" || err == nil || !strings.Contains(err.Error(), "the next try reads it"):
			t.Errorf("%s: %v", ddl, err)
		}
	}
}
