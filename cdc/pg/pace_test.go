package pg

import (
	"testing"
	"time"
)

// TestPace: all rows are counted, more than are read; an empty table takes no time, and a missing one is none.
func TestPace(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	if pace, err := MeasurePace(t.Context(), p.config); err != nil || pace.Rows != 0 || pace.Reading != 0 {
		t.Errorf("empty tables: %+v, %v", pace, err)
	}
	p.exec(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1)
		select 'C' || i, 'solana', '1h', false from generate_series(1, 30000) i`)
	p.exec(posA)
	pace, err := MeasurePace(t.Context(), p.config)
	if err != nil || pace.Rows != 30001 || pace.Reading <= 0 || pace.Reading > time.Hour {
		t.Errorf("%+v, %v", pace, err)
	}
	p.exec(`drop table lowcap_positions`)
	if pace, err := MeasurePace(t.Context(), p.config); err != nil || pace.Rows != 30000 {
		t.Errorf("one table: %+v, %v", pace, err)
	}
}
