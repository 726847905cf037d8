package cdc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lowcap-cdc/decode"
)

const (
	topicLimit  = 1000000 // bytes of an event
	changeLimit = 16 << 20
)

// manyMembers are unknown members of an object.
func manyMembers(n int, value string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `, "%07d": %s`, i, value)
	}
	return b.String()[2:]
}

// TestManyUnknownKeys: the first hundred by name are told, and how many others there are; also of those that go away.
func TestManyUnknownKeys(t *testing.T) {
	const keys = 100000
	for _, life := range [][]string{
		{`{}`, `{"zz": 1, "a": 2, ` + manyMembers(keys-2, "1") + `}`}, {`{` + manyMembers(keys, "1") + `}`, `{}`},
		{`{` + manyMembers(keys, "1") + `}`, `{` + manyMembers(keys, "2") + `}`},
	} {
		b := newBench(t)
		b.snapshot(historyRow(life[0]))
		b.events = nil
		b.update(historyRow(life[1]))
		if len(b.events) != toldParts+1 {
			t.Fatalf("%d events", len(b.events))
		}
		var names []string
		for i := range toldParts {
			names = append(names, b.data(i)["key"].(string))
			b.expectData(i, map[string]any{"more": nil})
		}
		if !slices.IsSorted(names) || names[0] != "0000000" || names[toldParts-1] != "0000099" {
			t.Errorf("keys %q", names)
		}
		b.expectData(toldParts, map[string]any{"more": float64(keys - toldParts), "raw": nil})
		b.events = nil
		b.update(historyRow(strings.Replace(life[1], "{", `{"prev_state": "S1", `, 1)))
		if got := b.names(); strings.HasSuffix(life[1], "{}") && !slices.Equal(got, []string{"history.prev_state_changed"}) {
			t.Errorf("then %.200q", got)
		}
	}
}

// TestManyMalformedParts: the first hundred are told, and how many others there are. The exit beside them is too.
func TestManyMalformedParts(t *testing.T) {
	const parts = 100000
	record := `{"timestamp": "2026-01-20T10:00:00Z", "signal": "emergency_exit", ` + manyMembers(parts, "1e1001") + `}`
	b := newBench(t)
	b.snapshot(historyRow(`{}`))
	b.events = nil
	b.update(historyRow(`{"last_trim": ` + record + `, "last_s1_buy": []}`))
	if got := b.names(); len(got) != 3+toldParts || got[0] != "emergency_exit.executed" {
		t.Fatalf("%d events", len(got))
	}
	b.expectData(2+toldParts, map[string]any{"more": float64(parts - toldParts)})
	b.events = nil
	b.update(historyRow(`{"last_trim": ` + record + `, "prev_state": "S1"}`))
	if got := b.names(); !slices.Equal(got, []string{"history.prev_state_changed"}) {
		t.Errorf("then %.200q", got)
	}
}

// TestTextsAreBounded: of every text that is too long an event has the beginning and the digest, and says so.
func TestTextsAreBounded(t *testing.T) {
	long := strings.Repeat(`"`, 400<<10)
	row := func(column, text string) decode.PositionRow {
		values := map[string]any{"id": "p", "token_chain": "s", "token_contract": "C", "token_ticker": "T", "timeframe": "1h", "book_id": "b",
			"status": "active", "state": "S1", "current_trade_id": nil, "close_reason": nil, "features": `{"pm_execution_history": {}}`}
		values[column] = text
		return positionRow(values)
	}
	for _, column := range []string{"token_ticker", "status", "state", "close_reason", "book_id", "token_contract", "token_chain", "timeframe", "current_trade_id"} {
		b := newBench(t)
		b.snapshot(row(column, "x"))
		b.update(row(column, long))
		b.update(row(column, long[1:]))
		b.update(row(column, long[1:])) // nothing changed
		changes := len(b.events)
		b.update(row("features", `{"pm_execution_history": {"prev_state": "S1"}}`))
		checkBounds(t, column, b)
		data, err := b.machine.out.seal(b.machine.state, false)
		if image, known := b.machine.state.positions.get([]byte("p")); err != nil || data == nil || !known || len(image) > 4096 {
			t.Errorf("%s: an image of %d bytes", column, len(image))
		}
		if column == "status" {
			if changes != 3 { // the baseline, and two changes
				t.Errorf("%d events", changes)
			}
			b.events = b.events[1:2]
			if to := b.data(0)["to"].(string); !strings.HasPrefix(to, `""""`) || !strings.Contains(to, "409600 bytes, sha256") ||
				!strings.Contains(fmt.Sprint(b.data(0)["flags"]), "text_truncated") {
				t.Errorf("status: %.80s, flags %v", to, b.data(0)["flags"])
			}
		}
	}
	for _, history := range []string{`"last_s1_buy": {"timestamp": "2026-01-20T10:00:00Z", "signal": %s, "state": %s}`, `"prev_state": %s`, `%s: 1`,
		`"last_trim": {"timestamp": "2026-01-20T10:00:00Z", %s: %s, "signal": "emergency_exit"}`, `"trim_pool": {"usd_basis": 1, %s: 1}`,
		`"trim_pool": {"usd_basis": 1, %s: 1e9999}`, `"last_emergency_exit_ts": %s`, `"lotus_buyback": {"profit_usd": 1, "x": %s}`} {
		quoted, err := json.Marshal(long)
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t)
		b.snapshot(historyRow(`{"trim_pool": {"usd_basis": 1}}`))
		b.update(historyRow(`{` + strings.ReplaceAll(history, "%s", string(quoted)) + `}`))
		b.update(historyRow(`{}`))
		checkBounds(t, history, b)
	}
}

// TestReversalIsBounded: of one large value to another it would carry four.
func TestReversalIsBounded(t *testing.T) {
	buyback := func(fill string) string {
		return `{"lotus_buyback": {"x": "` + strings.Repeat(fill, maxRaw-40) + `"}}`
	}
	b := newBench(t)
	b.snapshot(historyRow(buyback("a")))
	b.update(historyRow(buyback("b")))
	b.events, b.raw = nil, nil
	b.update(historyRow(buyback("a")))
	checkBounds(t, "reversal", b)
	if got := b.names(); !slices.Equal(got, []string{"execution.reverted"}) || b.data(0)["reverted_from"].(map[string]any)["x"] == nil {
		t.Error(got)
	}
}

// TestHugeHistory: its exit is told and the image stays small; that not all of it was looked at is in quarantine.
func TestHugeHistory(t *testing.T) {
	fill := strings.Repeat("x", maxHistory)
	exit := `"last_trim": {"timestamp": "2026-01-20T10:00:00Z", "signal": "emergency_exit", "price": 0.05, "note": "` + fill + `"}`
	b := newBench(t)
	b.snapshot(historyRow(`{"a": "` + fill + `", "last_s1_buy": [` + strings.Repeat("1, ", maxRecord) + `1]}`))
	b.events = nil
	for range 2 {
		b.update(historyRow(`{"a": "` + fill + `", ` + exit + `, ` + manyMembers(1000, `"`+strings.Repeat("y", 10000)+`"`) + `}`))
	}
	got := b.names()
	if got[0] != "emergency_exit.executed" || got[1] != "history.malformed" || len(got) != 3+toldParts {
		t.Fatalf("%d events, %q first", len(got), got[:2])
	}
	b.expectData(0, map[string]any{"price": 0.05})
	b.expectData(1, map[string]any{"path": "pm_execution_history"})
	checkBounds(t, "huge", b)
	for _, r := range []row{{decode.Positions, "0f2b3c4d-0000-4000-8000-000000000001"}} {
		if image := b.machine.state.record(r).Value; len(image) > 4<<20 {
			t.Errorf("an image of %d bytes", len(image))
		}
	}
}

// TestSameTickOfHugeHistory: a record that its own tick takes back from a history above what is compared whole is no warning, and
// one that another write takes back is.
func TestSameTickOfHugeHistory(t *testing.T) {
	fill := `"a": "` + strings.Repeat("x", maxHistory) + `"`
	const older, sell = `, "last_trim": {"timestamp": "2026-01-20T09:00:00Z", "signal": "trim_flag", "price": 0.04}`,
		`, "last_trim": {"timestamp": "2026-01-20T10:00:00Z", "signal": "trim_flag", "price": 0.05}`
	for name, c := range map[string]struct{ before, after, cause, severity string }{
		"the same tick": {older, older, "same_tick", "info"}, "without an older one": {"", "", "same_tick", "info"},
		"another write": {older, older + `, "prev_state": "S1"`, "later_write", "warn"},
	} {
		b := newBench(t)
		b.snapshot(historyRow("{" + fill + c.before + "}"))
		b.update(historyRow("{" + fill + sell + "}"))
		b.events, b.raw = nil, nil
		b.update(historyRow("{" + fill + c.after + "}"))
		if len(b.events) == 0 || b.names()[0] != "execution.reverted" {
			t.Fatalf("%s: %q", name, b.names())
		}
		b.expectData(0, map[string]any{"cause": c.cause})
		if b.events[0]["severity"] != c.severity {
			t.Errorf("%s is %s", name, b.events[0]["severity"])
		}
	}
}

func checkBounds(t *testing.T, what string, b *bench) {
	t.Helper()
	sum := 0
	for i, event := range b.raw {
		if sum += len(event); len(event) > topicLimit {
			t.Errorf("%.80s: event %d has %d bytes: %.200s", what, i, len(event), event)
		}
	}
	if sum > changeLimit {
		t.Errorf("%.80s: %d bytes of events", what, sum)
	}
}

// TestAnnotationIsBounded: it is on every event of its transaction.
func TestAnnotationIsBounded(t *testing.T) {
	for _, content := range []string{strings.Repeat("x", 10<<20), `{"actor": "a", "reason": "` + strings.Repeat(`\"`, 1<<20) + `"}`} {
		b := newBench(t)
		b.begin()
		b.machine.annotate(&decode.Annotation{Content: []byte(content)})
		b.apply(insertOf(someBlock("C", true)))
		b.commit()
		checkBounds(t, content, b)
		reason := b.data(0)["origin"].(map[string]any)["reason"].(string)
		if len(reason) > 5000 || len(reason) < 4000 || !strings.Contains(fmt.Sprint(b.data(0)["flags"]), "text_truncated") {
			t.Errorf("reason of %d bytes, flags %v", len(reason), b.data(0)["flags"])
		}
	}
}

// TestNumberColumnsAreBounded: a numeric of too many digits is in quarantine, once, and null elsewhere.
func TestNumberColumnsAreBounded(t *testing.T) {
	for _, digits := range []int{1001, 100001} {
		row := somePosition("p", someHistory)
		row[decode.TotalAllocationUSD] = decode.Value{Kind: decode.Text, Text: bytes.Repeat([]byte("7"), digits)}
		b := newBench(t)
		b.snapshot(row)
		b.update(row)
		b.begin()
		b.apply(&decode.PositionChange{Op: decode.Delete, Old: row})
		b.commit()
		checkBounds(t, "numeric", b)
		if got := b.names(); !slices.Equal(got, []string{"position.baseline", "history.malformed", "position.deleted"}) {
			t.Fatal(got)
		}
		b.expectData(0, map[string]any{"total_allocation_usd": nil})
		b.expectData(1, map[string]any{"path": "total_allocation_usd"})
	}
}

// TestLongKeys: two rows whose keys begin alike are two rows, also to a consumer.
func TestLongKeys(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("C", 200000)
	b.snapshot(someBlock(long+"1", true), someBlock(long+"2", true))
	checkBounds(t, "keys", b)
	if len(b.events) != 2 || b.events[0]["subject"] == b.events[1]["subject"] || b.events[0]["partitionkey"] == b.events[1]["partitionkey"] {
		t.Errorf("subjects %.40q and %.40q", b.events[0]["subject"], b.events[1]["subject"])
	}
}

// TestAnyChangeIsBounded: whatever a change holds, each of its events fits a topic, and all together fit the memory.
func TestAnyChangeIsBounded(t *testing.T) {
	var values []string
	for _, n := range []int{10, 1000, 200 << 10, 256<<10 - 20, 300 << 10} {
		values = append(
			values,
			`"`+strings.Repeat("x", n)+`"`,
			`"`+strings.Repeat(`\"`, n/2)+`"`,
			`"`+strings.Repeat(`\u0001`, n/6)+`"`,
			`[`+strings.Repeat(
				"1, ",
				n/3,
			)+`1]`,
			`{`+manyMembers(n/13+1, "1")+`}`,
			strings.Repeat("7", n),
			`"2026-01-20T10:00:0`+fmt.Sprint(n%10)+`Z"`,
		)
	}
	huge := func(t *rapid.T) string { return rapid.SampledFrom(values).Draw(t, "value") }
	history := func(t *rapid.T) string {
		var parts []string
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(append(slices.Clone(keyNames[:]), "a", "b", "c", "d")), 0, 6, rapid.ID[string]).Draw(t, "keys") {
			value := huge(t)
			if rapid.Bool().Draw(t, "record") {
				value = fmt.Sprintf(
					`{"timestamp": "2026-01-20T10:00:0%dZ", "signal": %s, "x": %s, "usd_basis": %d}`,
					rapid.IntRange(0, 9).Draw(t, "second"),
					rapid.SampledFrom([]string{`"emergency_exit"`, `"trim_flag"`, huge(t)}).
						Draw(t, "signal"),
					huge(t),
					rapid.IntRange(0, 3).Draw(t, "basis"),
				)
			}
			parts = append(parts, `"`+name+`": `+value)
		}
		return `{` + strings.Join(parts, ", ") + `}`
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		b.rawOnly = true
		b.snapshot(historyRow(history(rt)))
		for range 2 {
			b.raw = nil
			b.update(historyRow(history(rt)))
			checkBounds(t, "change", b)
		}
	})
}
