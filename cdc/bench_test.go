package cdc

import (
	"fmt"
	"strings"
	"testing"

	"lowcap-cdc/decode"
)

// benchMachine returns a machine in a transaction.
func benchMachine() *machine {
	state := NewState()
	state.Checkpoint.Identity = Identity{SystemID: "7421234567890123456", Timeline: 1, Database: "trading"}
	m := newMachine(state, "")
	m.begin(&decode.Begin{CommitLSN: 0x16B374D848, CommitTime: 1768734412514883, XID: 777})
	return m
}

func text(s string) decode.Value { return decode.Value{Kind: decode.Text, Text: []byte(s)} }

func benchBlock(contract int, failed string) *decode.BlockChange {
	c := &decode.BlockChange{Op: decode.Update}
	c.New = decode.BlockRow{decode.BlockContract: text(fmt.Sprintf("%040dpump", contract)), decode.BlockChain: text("solana"),
		decode.BlockTimeframe: text("1h"), decode.BlockBook: text(effectiveBook), decode.BlockedS1: text("t"), decode.BlockedS2: text("t"),
		decode.LastS1Failure: text(failed), decode.LastS2Failure: {Kind: decode.Null}, decode.LastSuccess: {Kind: decode.Null}}
	return c
}

func benchPosition(id int, features string) *decode.PositionChange {
	c := &decode.PositionChange{Op: decode.Update}
	c.New = decode.PositionRow{decode.PositionID: text(fmt.Sprintf("00000000-0000-4000-8000-%012d", id)), decode.TokenChain: text("solana"),
		decode.TokenContract: text(fmt.Sprintf("%040dpump", id)), decode.TokenTicker: text("TKN"), decode.Timeframe: text("1h"),
		decode.BookID: text("social"), decode.Status: text("active"), decode.State: text("S3"), decode.CurrentTradeID: {Kind: decode.Null},
		decode.TotalQuantity: text("0"), decode.TotalAllocationUSD: text("0"), decode.TotalExtractedUSD: text("0"),
		decode.TotalTokensBought: text("0"), decode.TotalTokensSold: text("0"), decode.ClosedAt: {Kind: decode.Null},
		decode.CloseReason: {Kind: decode.Null}, decode.CreatedAt: text("2026-01-18 11:06:52.514883+00"),
		decode.UpdatedAt: text("2026-01-18 11:06:52.514883+00"), decode.CompletedTrades: text("[]"), decode.FeaturesColumn: text(features)}
	return c
}

// benchFeatures returns a document of about size bytes beside the history, in jsonb's order and spelling.
func benchFeatures(size int, history string) string {
	var b strings.Builder
	b.WriteByte('{')
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(
			&b,
			`"ta_block_%04d": {"adx": 47.1%d, "rsi": 61.25, "label": "S3 zone", "slope": [0.00123, -0.0042, 0.00071, 0.0031], "confirmed": true}, `,
			n,
			n,
		)
	}
	fmt.Fprintf(
		&b,
		`"uptrend_engine_v4": {"ema": {"ema333": 0.0012}, "price": 0.0013, "state": "S3", "exit_reason": null}, "pm_execution_history": %s}`,
		history,
	)
	return b.String()
}

func benchHistory(n int) string {
	return fmt.Sprintf(
		`{"last_trim": {"price": 0.00%d, "state": "S3", "signal": "trim_flag", "size_frac": 0.33, "timestamp": "2026-01-18T11:%02d:%02d.514883+00:00", "sr_level_price": 0.0001}, "trim_pool": {"dx_count": 0, "usd_basis": %d.25, "recovery_started": false}, "prev_state": "S3", "last_s1_buy": {"price": 0.001, "state": "S1", "signal": "s1_entry", "size_frac": 0.5, "timestamp": "2026-01-17T11:06:52.514883+00:00"}}`,
		1000+n,
		n/60%60,
		n%60,
		10+n,
	)
}

// changes is a run of changes that are applied over and over.
func benchApply(b *testing.B, m *machine, changes []decode.Message) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := m.apply(changes[i%len(changes)]); err != nil {
			b.Fatal(err)
		}
		if m.out.isFull() {
			if _, err := m.out.seal(m.state, false); err != nil {
				b.Fatal(err)
			}
			m.out.reset()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/row")
}

func BenchmarkQuietBlock(b *testing.B) {
	m, change := benchMachine(), benchBlock(1, "2026-01-18 11:06:52.514883+00")
	benchApply(b, m, []decode.Message{change})
}

func BenchmarkLoudBlock(b *testing.B) {
	var changes []decode.Message
	for i := range 2 {
		for n := range 1000 {
			changes = append(changes, benchBlock(n, fmt.Sprintf("2026-01-18 11:06:5%d.514883+00", i)))
		}
	}
	benchApply(b, benchMachine(), changes)
}

func BenchmarkQuietPosition(b *testing.B) {
	for _, size := range []int{7 << 10, 40 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			benchApply(b, benchMachine(), []decode.Message{benchPosition(1, benchFeatures(size, benchHistory(1)))})
		})
	}
}

// BenchmarkLoudPosition records a trim with each change: two events. The positions begin anew with every round.
func BenchmarkLoudPosition(b *testing.B) {
	var changes []decode.Message
	for id := range 2 {
		changes = append(changes, &decode.PositionChange{Op: decode.Delete, Old: benchPosition(id, "{}").New})
	}
	for n := range 3000 {
		for id := range 2 {
			changes = append(changes, benchPosition(id, benchFeatures(300, benchHistory(n))))
		}
	}
	benchApply(b, benchMachine(), changes)
}

// TestLoudRowsAllocateLittle: a trim that fills the pool is two events.
func TestLoudRowsAllocateLittle(t *testing.T) {
	const runs, most = 1000, 19 // 18 without the race detector
	var changes []decode.Message
	for n := range runs + 2 {
		changes = append(changes, benchPosition(1, benchFeatures(300, benchHistory(n))))
	}
	m, at := benchMachine(), 0
	if n := testing.AllocsPerRun(runs, func() {
		if _, err := m.apply(changes[at]); err != nil {
			t.Fatal(err)
		}
		at++
		m.out.reset()
	}); n > most {
		t.Errorf("%v allocations, at most %d", n, most)
	}
}

// TestQuietRowsAllocateNothing is what a million unchanged rows depend on.
func TestQuietRowsAllocateNothing(t *testing.T) {
	for name, change := range map[string]decode.Message{
		"block":    benchBlock(1, "2026-01-18 11:06:52.514883+00"),
		"position": benchPosition(1, benchFeatures(7<<10, benchHistory(1))),
	} {
		m := benchMachine()
		apply := func() {
			if _, err := m.apply(change); err != nil {
				t.Fatal(err)
			}
		}
		apply()
		events := len(m.out.ends)
		if n := testing.AllocsPerRun(100, apply); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if len(m.out.ends) != events || events == 0 {
			t.Errorf("%s: %d events, then %d", name, events, len(m.out.ends))
		}
	}
}
