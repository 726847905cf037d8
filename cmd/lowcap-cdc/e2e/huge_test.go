package e2e

import (
	"flag"
	"fmt"
	"strings"
	"testing"
)

// TestHuge... run small in every test run. make huge runs them at the sizes that the guarantees name.
var (
	hugeRows   = flag.Int("huge-rows", 200000, "rows of one transaction")
	hugeSubs   = flag.Int("huge-subtransactions", 5000, "subtransactions of one transaction")
	hugeCopy   = flag.Int("huge-copy", 20000, "positions that one COPY brings")
	hugeMB     = flag.Int("huge-document", 20, "megabytes of one features document")
	hugeMemory = flag.Int64("huge-memory", 64, "megabytes that the sidecar may have resident at any moment")
)

const (
	// imageBound is what the image of a row may take beyond its history, in bytes.
	imageBound = 300
	// slowState is the least speed at which the state must be read back, in bytes a second. What the guarantees name is
	// measured at full size on a machine that does nothing else; small states and other tests make it less.
	slowState = 5 << 20
)

// TestHugeTransaction: one transaction of very many rows, of which one in a hundred is an event.
func TestHugeTransaction(t *testing.T) {
	s := newSite(t)
	killed, whole := s.hugeKafka(), s.hugeFile()
	const rounds = 100
	s.exec(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts)
		select 'C' || lpad(i::text, 8, '0'), 'solana', '1h', false, now() from generate_series(1, $1::int) i`, *hugeRows/rounds)
	s.drain("k", killed.sink)
	s.drain("f", whole.sink)
	s.exec(fmt.Sprintf(`do $$ begin for i in 1..%d loop
		update token_timeframe_blocks set updated_at = now(), blocked_s1 = (blocked_s1 <> (right(token_contract, 2) = lpad((i %% 100)::text, 2, '0')));
		end loop; end $$`, rounds))
	if n := s.compareHuge(killed, whole, int64(*hugeRows/rounds)*imageBound); n < *hugeRows/rounds/2 {
		t.Errorf("only %d events", n)
	}
}

// TestHugeSubtransactions: every other savepoint is rolled back, and says nothing.
func TestHugeSubtransactions(t *testing.T) {
	s := newSite(t)
	killed, whole := s.hugeKafka(), s.hugeFile()
	positions := max(100, *hugeSubs/50)
	s.seedPositions(positions)
	s.drain("k", killed.sink)
	s.drain("f", whole.sink)
	s.exec(fmt.Sprintf(`do $$ begin for i in 1..%d loop begin
		update lowcap_positions set status = 's' || i where id = md5((i / 2 %% %d)::text)::uuid;
		if i %% 2 = 0 then raise exception 'rolled back'; end if;
		exception when raise_exception then null; end; end loop; end $$`, *hugeSubs, positions))
	if n := s.compareHuge(killed, whole, 0); n != *hugeSubs/2 {
		t.Errorf("%d events, want %d", n, *hugeSubs/2)
	}
}

// TestHugeDocument: a document of many megabytes around a history of the usual size. The largest row may take 1.1 times its size.
func TestHugeDocument(t *testing.T) {
	s := newSite(t)
	killed, whole := s.hugeKafka(), s.hugeFile()
	s.seedPositions(2)
	s.drain("k", killed.sink)
	s.drain("f", whole.sink)
	for i := range 3 {
		s.exec(
			`update lowcap_positions set features = jsonb_build_object('ta', repeat(md5($2), $1), 'pm_execution_history', jsonb_build_object('prev_state', $2::text))`,
			*hugeMB<<20/32,
			fmt.Sprint("S", i),
		)
	}
	s.compareHuge(killed, whole, int64(*hugeMB)<<20*11/10)
}

// TestHugeCopy: one COPY of very many new positions. Their images are what the sidecar has to know; beyond their
// histories they may take 300 bytes each.
func TestHugeCopy(t *testing.T) {
	s := newSite(t)
	killed, whole := s.hugeKafka(), s.hugeFile()
	s.drain("k", killed.sink)
	s.drain("f", whole.sink)
	var rows strings.Builder
	history := `{"pm_execution_history": {"prev_state": "S2", "last_s1_buy": {"price": 0.5, "timestamp": "2026-01-18T11:06:52.514883+00:00"}}}`
	for i := range *hugeCopy {
		fmt.Fprintf(&rows, "solana\tC%d\t1h\t%s\n", i, history)
	}
	_, err := s.conn.PgConn().
		CopyFrom(t.Context(), strings.NewReader(rows.String()), `copy lowcap_positions (token_chain, token_contract, timeframe, features) from stdin`)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.compareHuge(killed, whole, int64(*hugeCopy)*int64(imageBound+len(history))); n != 2**hugeCopy {
		t.Errorf("%d events, want %d", n, 2**hugeCopy)
	}
	s.readState(killed.sink)
}
