package cdc

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

func somePosition(id, features string) decode.PositionRow {
	return positionRow(
		map[string]any{"id": id, "token_chain": "solana", "token_contract": "C", "timeframe": "1h", "status": "active", "state": "S1",
			"current_trade_id": nil, "features": features},
	)
}

func someBlock(contract string, blocked bool) decode.BlockRow {
	return blockRow(map[string]any{"token_contract": contract, "token_chain": "solana", "timeframe": "1h", "book_id": "onchain_crypto",
		"blocked_s1": blocked, "blocked_s2": nil, "last_s1_failure_ts": nil, "last_s2_failure_ts": nil, "last_success_ts": nil})
}

const someHistory = `{"pm_execution_history": {"prev_state": "S1"}}`

// rowCase is what happens to whole rows: those that the snapshot had, the changes of one transaction, and the events.
type rowCase struct {
	before  []any
	changes []decode.Message
	want    string
}

// rowCases are for rulings 8, 9 and 10, and TRUNCATE.
func rowCases() map[string]rowCase {
	return map[string]rowCase{
		"insert with history":    {nil, []decode.Message{insertOf(somePosition("p", someHistory))}, "position.created position.baseline"},
		"insert without history": {nil, []decode.Message{insertOf(somePosition("p", `{"ta": {}}`))}, "position.created"},
		"insert of a malformed":  {nil, []decode.Message{insertOf(somePosition("p", `[]`))}, "position.created history.malformed"},
		"update of an unknown row": {
			nil,
			[]decode.Message{&decode.PositionChange{Op: decode.Update, New: somePosition("p", someHistory)}},
			"position.baseline",
		},
		"deleted and inserted again": {[]any{somePosition("p", someHistory)}, []decode.Message{
			&decode.PositionChange{Op: decode.Delete, Old: somePosition("p", `{}`)}, insertOf(somePosition("q", someHistory))},
			"position.deleted position.created position.baseline"},
		"key of a position": {[]any{somePosition("p", someHistory)}, []decode.Message{&decode.PositionChange{Op: decode.Update, HasOld: true,
			Old: somePosition("p", `{}`), New: somePosition("q", someHistory)}}, "position.deleted position.created position.baseline"},
		"key of a block": {[]any{someBlock("C", true)}, []decode.Message{&decode.BlockChange{Op: decode.Update, HasOld: true,
			Old: someBlock("C", true), New: someBlock("D", true)}}, "entry_block.deleted entry_block.baseline"},
		"block deleted": {
			[]any{someBlock("C", true)},
			[]decode.Message{&decode.BlockChange{Op: decode.Delete, Old: someBlock("C", true)}},
			"entry_block.deleted",
		},
		"truncate": {[]any{someBlock("C", true), someBlock("D", false), somePosition("p", someHistory)},
			[]decode.Message{&decode.Truncate{Tables: []decode.Table{decode.Blocks, decode.Positions}}},
			"table.truncated table.truncated entry_block.deleted entry_block.deleted position.deleted"},
		"nothing watched changed": {[]any{somePosition("p", someHistory), someBlock("C", true)}, []decode.Message{
			&decode.PositionChange{Op: decode.Update, New: somePosition("p", `{"ta": 2, "pm_execution_history": {"prev_state": "S1"}}`)},
			&decode.BlockChange{Op: decode.Update, New: someBlock("C", true)}}, ""},
	}
}

func TestRows(t *testing.T) {
	for name, c := range rowCases() {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.snapshot(c.before...)
			b.events = nil
			b.begin()
			b.apply(c.changes...)
			b.commit()
			b.expectNames(c.want)
		})
	}
}

// expectNames compares the events' types, without what all types have around them.
func (b *bench) expectNames(want string) {
	b.t.Helper()
	if got := strings.NewReplacer("lowcap.", "", ".v1", "").Replace(strings.Join(b.types(), " ")); got != want {
		b.t.Errorf("got %q, want %q", got, want)
	}
}

// TestOrphanInSnapshot is ruling 14: an operator wants to know on the first day.
func TestOrphanInSnapshot(t *testing.T) {
	b := newBench(t)
	b.snapshot(blockRow(map[string]any{"token_contract": "C", "token_chain": "solana", "timeframe": "1h", "book_id": "onchain_crypto",
		"blocked_s1": false, "blocked_s2": true, "last_s1_failure_ts": "2026-01-18 20:07:02+00", "last_s2_failure_ts": nil, "last_success_ts": "2026-01-19 20:07:02+00"}))
	if got := b.types(); !reflect.DeepEqual(got, []string{"lowcap.entry_block.baseline.v1", "lowcap.entry_block.orphaned.v1"}) {
		t.Errorf("events %q", got)
	}
}

func TestAnnotationReachesOrigin(t *testing.T) {
	b := newBench(t)
	b.begin()
	b.machine.annotate(&decode.Annotation{Content: []byte(`{"actor": "anna", "reason": "manual unblock"}`)})
	b.apply(insertOf(someBlock("C", true)))
	b.commit()
	origin := b.events[0]["data"].(map[string]any)["origin"].(map[string]any)
	if origin["actor"] != "anna" || origin["reason"] != "manual unblock" {
		t.Errorf("origin is %v", origin)
	}
}

// TestUnknownFeaturesAreNotNull: an update that leaves features out of a row never seen is an incomplete baseline, and
// the first features that come are the rest of it, not news.
func TestUnknownFeaturesAreNotNull(t *testing.T) {
	b := newBench(t)
	row := somePosition("p", someHistory)
	row[decode.FeaturesColumn] = decode.Value{Kind: decode.Unchanged}
	b.update(row)
	b.update(somePosition("p", someHistory))
	b.update(somePosition("p", `{"pm_execution_history": {"prev_state": "S2"}}`))
	want := []string{"lowcap.position.baseline.v1", "lowcap.position.baseline.v1", "lowcap.history.prev_state_changed.v1"}
	if got := b.types(); !reflect.DeepEqual(got, want) {
		t.Errorf("events %q", got)
	}
}

// TestLargeAndDeepDocuments: a megabyte passes, a huge raw value is cut with a flag, deep nesting is no crash.
func TestLargeAndDeepDocuments(t *testing.T) {
	b := newBench(t)
	b.snapshot(somePosition("p", `{}`))
	b.events, b.raw = nil, nil
	b.update(
		somePosition("p", `{"ta": "`+strings.Repeat("x", 1<<20)+`", "pm_execution_history": {"notes": "`+strings.Repeat("y", 1<<20)+`"}}`),
	)
	if got := len(b.raw[0]); got > 1<<20 || !bytes.Contains(b.raw[0], []byte(`"raw_truncated"`)) {
		t.Errorf("event of %d bytes: %.200s", got, b.raw[0])
	}
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	b.update(somePosition("p", `{"pm_execution_history": {"trim_pool": {"usd_basis": 1, "x": `+deep+`}}}`))
	if got := b.types(); got[len(got)-2] != "lowcap.history.malformed.v1" {
		t.Errorf("events %q", got)
	}
}

// TestDepth: brackets in strings are no levels, and neither is an escaped quote an end.
func TestDepth(t *testing.T) {
	for raw, want := range map[string]bool{
		`[[1], [2], [3], [4], [5]]`:           false,
		`[[1, {"a": "xxxxxxxxxxxxxxxxxx"}]]`:  true,
		`[{"a": "[[[[[[[ \" [[[[[[[[ "}]`:     false,
		`[{"a": "[[[[[[[ \\\\"}, [[[[[]]]]]]`: true,
	} {
		if got := jsonb.Exceeds([]byte(raw), 2, 20); got != want {
			t.Errorf("%s is deeper than 2: %v", raw, got)
		}
	}
}

// TestGuardStampsSecondsApart: stamps of the same ten seconds were once taken for one.
func TestGuardStampsSecondsApart(t *testing.T) {
	b := newBench(t)
	b.update(somePosition("p", `{"pm_execution_history": {"last_emergency_exit_ts": "2026-01-18T11:06:52.514883+00:00"}}`))
	b.update(somePosition("p", `{"pm_execution_history": {"last_emergency_exit_ts": "2026-01-18T11:06:52.514884+00:00"}}`))
	want := []string{"lowcap.position.baseline.v1", "lowcap.emergency_exit.guard_stamped.v1"}
	if got := b.types(); !reflect.DeepEqual(got, want) {
		t.Errorf("events %q", got)
	}
}

// TestKeyChangedWithoutFeatures: a document that is stored out of line and was not touched is not sent with a new key. The
// old key's image has its history, or the old row under REPLICA IDENTITY FULL.
func TestKeyChangedWithoutFeatures(t *testing.T) {
	history := `{"last_s1_buy": {"timestamp": "2026-01-18T11:06:52Z", "price": 0.5}}`
	moved := somePosition("q", "")
	moved[decode.FeaturesColumn] = decode.Value{Kind: decode.Unchanged}
	moved[decode.CompletedTrades] = decode.Value{Kind: decode.Unchanged}
	old := somePosition("p", `{"pm_execution_history": `+history+`}`)
	old[decode.CompletedTrades] = decode.Value{Kind: decode.Text, Text: []byte(`[{}, {}]`)}
	onlyKey := decode.PositionRow{decode.PositionID: old[decode.PositionID]}
	for name, c := range map[string]struct {
		known bool
		old   decode.PositionRow
	}{"by the image": {true, onlyKey}, "by the old row": {false, old}, "by both": {true, old}} {
		b := newBench(t)
		if c.known {
			b.snapshot(old)
		}
		b.events = nil
		b.begin()
		b.apply(&decode.PositionChange{Op: decode.Update, HasOld: true, Old: c.old, New: moved})
		b.commit()
		want := []string{"position.deleted", "position.created", "position.baseline"}
		if got := b.names(); !slices.Equal(got, want) {
			t.Fatalf("%s: events %q", name, got)
		}
		if got, _ := b.data(2)["history"].(map[string]any); got["last_s1_buy"] == nil || b.data(2)["completed_trades_count"] != 2.0 {
			t.Errorf("%s: the baseline has %v", name, b.data(2))
		}
		b.events = nil
		b.update(somePosition("q", `{"pm_execution_history": {"last_trim": {"timestamp": "2026-01-20T10:00:00Z", "signal": "emergency_exit"}}}`))
		if got := b.names(); !slices.Equal(got, []string{"emergency_exit.executed", "execution.reverted"}) {
			t.Errorf("%s: then %q", name, got)
		}
	}
}

// TestKeyChangedWithAnExit: an exit that comes in the statement that changes the key is no old one.
func TestKeyChangedWithAnExit(t *testing.T) {
	old := somePosition("p", `{"pm_execution_history": {"last_s1_buy": {"timestamp": "2026-01-18T11:06:52Z", "price": 0.5}}}`)
	moved := somePosition("q", `{"pm_execution_history": {"last_s1_buy": {"timestamp": "2026-01-18T11:06:52Z", "price": 0.5},
		"last_trim": {"timestamp": "2026-01-20T10:00:00Z", "signal": "emergency_exit"}, "trim_pool": {"usd_basis": 5}}}`)
	b := newBench(t)
	b.snapshot(old)
	b.events = nil
	b.begin()
	b.apply(&decode.PositionChange{Op: decode.Update, HasOld: true, Old: decode.PositionRow{decode.PositionID: old[decode.PositionID]}, New: moved})
	b.commit()
	want := []string{"position.deleted", "position.created", "position.baseline", "emergency_exit.executed", "trim_pool.opened"}
	if got := b.names(); !slices.Equal(got, want) {
		t.Fatalf("events %q", got)
	}
	if history, _ := b.data(2)["history"].(map[string]any); history["last_s1_buy"] == nil || history["last_trim"] != nil {
		t.Errorf("the baseline has %v", history)
	}
	b.events = nil
	b.update(moved)
	if got := b.names(); len(got) > 0 {
		t.Errorf("the same row again gives %q", got)
	}
}

// TestOldRowTellsTheHistory: under REPLICA IDENTITY FULL a row that is first seen in an update without its document is
// known all the same.
func TestOldRowTellsTheHistory(t *testing.T) {
	unsent, old := somePosition("p", ""), somePosition("p", someHistory)
	unsent[decode.FeaturesColumn] = decode.Value{Kind: decode.Unchanged}
	exit := `{"pm_execution_history": {"prev_state": "S1", "last_trim": {"timestamp": "2026-01-20T10:00:00Z", "signal": "emergency_exit"}}}`
	for name, first := range map[string]*decode.PositionChange{
		"in its first change":  {Op: decode.Update, HasOld: true, Old: old, New: unsent},
		"in its second change": {Op: decode.Update, New: unsent},
	} {
		b := newBench(t)
		b.begin()
		b.apply(first, &decode.PositionChange{Op: decode.Update, HasOld: true, Old: old, New: unsent})
		b.commit()
		b.events = nil
		b.update(somePosition("p", exit))
		if got := b.names(); !slices.Equal(got, []string{"emergency_exit.executed"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestBlockOfNulls: a row whose five columns are NULL is a row.
func TestBlockOfNulls(t *testing.T) {
	nulls := someBlock("C", false)
	nulls[decode.BlockedS1] = decode.Value{Kind: decode.Null}
	b := newBench(t)
	b.snapshot(nulls)
	b.update(someBlock("C", true))
	b.update(nulls)
	b.begin()
	b.apply(&decode.BlockChange{Op: decode.Delete, Old: nulls})
	b.commit()
	b.update(someBlock("C", true))
	for i, want := range []string{"entry_block.baseline null object", "entry_block.set object object", "entry_block.cleared object object",
		"entry_block.deleted object null", "entry_block.set null object"} {
		got := b.names()[i]
		for _, side := range []string{"before", "after"} {
			if b.data(i)[side] == nil {
				got += " null"
			} else {
				got += " object"
			}
		}
		if got != want {
			t.Errorf("event %d is %s, want %s", i, got, want)
		}
	}
}

// TestFutureFailureIsNoMark: true timestamps after one from the future are news.
func TestFutureFailureIsNoMark(t *testing.T) {
	block := func(blocked bool, failed, success any) decode.BlockRow {
		return blockRow(map[string]any{"token_contract": "C", "token_chain": "solana", "timeframe": "1h", "book_id": "onchain_crypto",
			"blocked_s1": blocked, "blocked_s2": nil, "last_s1_failure_ts": failed, "last_s2_failure_ts": nil, "last_success_ts": success})
	}
	b := newBench(t)
	b.snapshot(block(false, "2062-01-01 00:00:00+00", "2062-01-01 00:00:00+00"))
	b.events = nil
	b.update(block(true, "2026-01-01 00:00:00+00", "2062-01-01 00:00:00+00"))
	b.update(block(false, "2026-01-01 00:00:00+00", "2026-01-02 00:00:00+00"))
	if got := b.names(); !slices.Equal(got, []string{"entry_block.set", "entry_block.cleared", "entry_block.success_observed"}) {
		t.Fatal(got)
	}
	b.expectData(0, map[string]any{"trigger": "s1_failure"})
	b.expectData(1, map[string]any{"trigger": "success"})
}
