package cdc

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lowcap-cdc/decode"
)

// told is the life of one position: what its history was, and the events that each change gave, without "lowcap." and
// ".v1".
type told struct {
	history string
	events  []string
}

// historyRow is a position with a history.
func historyRow(history string) decode.PositionRow {
	return featuresRow(`{"pm_execution_history": ` + history + `}`)
}

func featuresRow(features string) decode.PositionRow {
	return positionRow(map[string]any{"id": "0f2b3c4d-0000-4000-8000-000000000001", "token_chain": "solana", "token_contract": "C",
		"timeframe": "1h", "status": "active", "state": "S2", "current_trade_id": nil, "features": features})
}

// live plays a life and compares what it gave. The first history is a baseline.
func live(t *testing.T, life []told) *bench {
	t.Helper()
	b := newBench(t)
	b.snapshot(historyRow(life[0].history))
	for i, change := range life[1:] {
		b.events = nil
		b.update(historyRow(change.history))
		if got := b.names(); !slices.Equal(got, change.events) {
			t.Errorf("change %d to %.200s\n got %q\nwant %q", i+1, change.history, got, change.events)
		}
	}
	return b
}

func (b *bench) names() (names []string) {
	for _, t := range b.types() {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(t, "lowcap."), ".v1"))
	}
	return names
}

// data returns the data of the nth event.
func (b *bench) data(n int) map[string]any { return b.events[n]["data"].(map[string]any) }

func (b *bench) expectData(n int, want map[string]any) {
	b.t.Helper()
	for name, value := range want {
		if got, ok := b.data(n)[name]; !ok || !reflect.DeepEqual(got, value) {
			b.t.Errorf("%s: %s is %v, want %v", b.names()[n], name, got, value)
		}
	}
}

const (
	openPool   = `"trim_pool": {"usd_basis": 60.0, "recovery_started": false, "dx_count": 0}`
	exitOfT2   = `"last_trim": {"timestamp": "2026-01-20T10:00:00+00:00", "price": 0.05, "size_frac": 1.0, "signal": "emergency_exit"}`
	trimOfT2   = `"last_trim": {"timestamp": "2026-01-20T10:00:00+00:00", "price": 0.05, "size_frac": 1.0, "signal": "trim_flag"}`
	farAhead   = `"last_trim": {"timestamp": "2062-01-20T10:00:00+00:00", "price": 0.05, "size_frac": 1.0, "signal": "trim_flag", "sr_level_price": 1}`
	exitRecord = `"last_emergency_exit": {"timestamp": "2026-01-20T10:00:00+00:00", "exit_value_usd": 5}`
	guardStamp = `"last_emergency_exit_ts": "2026-01-20T10:00:00.000007+00:00"`
)

// TestMalformedFieldIsAPart: ruling 16. What cannot be read is one event each, and the rest of its record is judged.
func TestMalformedFieldIsAPart(t *testing.T) {
	b := live(t, []told{{`{"prev_state": "S3"}`, nil},
		{
			`{"prev_state": "S3", "last_trim": {"timestamp": "2026-01-20T10:00:00+00:00", "price": "0.05", "size_frac": 1.0, "signal": "emergency_exit"},
			"trim_pool": {"usd_basis": 38.9, "recovery_started": false, "dx_count": 0}}`,
			[]string{"emergency_exit.executed", "trim_pool.opened", "history.malformed"},
		}})
	b.expectData(0, map[string]any{"price": nil, "size_frac": 1.0, "proceeds_usd": 38.9, "kind": "ema333_break"})
	b.expectData(1, map[string]any{"cause": "emergency_exit"})
	b.expectData(2, map[string]any{"path": "last_trim.price", "raw": "0.05"})

	b = live(t, []told{{`{` + openPool + `}`, nil},
		{`{"trim_pool": {"usd_basis": "60.0", "recovery_started": true, "dx_count": 1, "dx_last_price": 0.5, "dx_next_arm": 0.4}}`,
			[]string{"trim_pool.recovery_started", "trim_pool.dx_bought", "history.malformed"}}})
	b.expectData(0, map[string]any{"dx_count": 1.0, "usd_basis": nil})
	b.expectData(2, map[string]any{"path": "trim_pool.usd_basis", "raw": "60.0"})

	pool := func(basis string) string {
		return `{"trim_pool": {"usd_basis": ` + basis + `, "recovery_started": false, "dx_count": 0}}`
	}
	live(t, []told{{pool("60.0"), nil},
		{pool(`"60.0"`), []string{"history.malformed"}}, {pool(`"60.0"`), nil},
		{`{"prev_state": "S1", ` + pool(`"60.0"`)[1:], []string{"history.prev_state_changed"}}, // told already
		{pool("60"), []string{"history.prev_state_changed"}},                                   // as it last was well-formed
		{pool(`"1"`), []string{"history.malformed"}},
		{pool("61"), []string{"trim_pool.adjusted"}}})

	// Many parts of one record are not told again with each change beside them.
	parts := `"last_s1_buy": {"timestamp": "2026-01-20T10:00:00+00:00", "price": [], "size_frac": "", "signal": 1, "state": 2, "sr_level_price": {},
		"a": ` + strings.Repeat(
		"9",
		1001,
	) + `, "b": ` + strings.Repeat(
		"8",
		1001,
	) + `, "c": 1e1001, "d": 1e-1001, "e": ` + deep(
		1001,
	) + `, "f": 1}`
	many := slices.Repeat([]string{"history.malformed"}, 10)
	live(t, []told{{`{}`, nil}, {`{` + parts + `}`, append([]string{"execution.buy_recorded"}, many...)},
		{`{"prev_state": "S1", ` + parts + `}`, []string{"history.prev_state_changed"}},
		{
			`{"prev_state": "S2", ` + strings.Replace(parts, `"f": 1`, `"f": 2`, 1) + `}`,
			[]string{"execution.amended", "history.prev_state_changed"},
		}})

	// Malformed as a whole is only what has no readable timestamp or is no object.
	for _, record := range []string{`[]`, `"x"`, `3`, `{"timestamp": 5, "signal": "emergency_exit"}`, `{"signal": "emergency_exit"}`,
		`{"timestamp": "` + strings.Repeat("2026-01-20T10:00:00", 9) + `"}`, `{"timestamp": "2026-01-20T10:00:00.` + strings.Repeat("1", 1<<20) + `Z"}`} {
		live(t, []told{{`{}`, nil}, {`{"last_trim": ` + record + `}`, []string{"history.malformed"}}})
	}
	live(t, []told{{`{` + openPool + `}`, nil}, {`{"trim_pool": [1]}`, []string{"history.malformed"}}})
}

func deep(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

// TestFutureTimestampIsNoMark: ruling 17. It is told and flagged, and true ones after it are measured without it.
func TestFutureTimestampIsNoMark(t *testing.T) {
	b := live(t, []told{{`{}`, nil},
		{`{` + farAhead + `}`, []string{"execution.trim_recorded"}},
		{`{` + exitOfT2 + `}`, []string{"emergency_exit.executed"}},
		{`{` + farAhead + `}`, []string{"execution.restored"}},
		{`{` + strings.Replace(farAhead, "0.05", "0.06", 1) + `}`, []string{"execution.amended"}},
		{`{` + exitOfT2 + `}`, []string{"execution.reverted"}},
		{`{"last_trim": {"timestamp": "2026-01-19T10:00:00Z", "signal": "trim_flag"}}`, []string{"emergency_exit.reverted"}},
		{`{"last_trim": {"timestamp": "2026-01-21T10:00:00Z", "signal": "exit_position"}}`, []string{"emergency_exit.executed"}},
	})
	b.expectData(0, map[string]any{"kind": "structural"})
	for _, first := range []string{`{` + farAhead + `}`, `{"last_trim": []}`} { // a baseline makes no mark of it either
		live(t, []told{{first, nil}, {`{` + exitOfT2 + `}`, []string{"emergency_exit.executed"}}})
	}
	live(t, []told{{`{}`, nil}, {`{"last_emergency_exit_ts": "2062-01-01T00:00:00Z"}`, []string{"emergency_exit.guard_stamped"}},
		{`{` + guardStamp + `}`, []string{"emergency_exit.guard_stamped"}}})
	live(t, []told{{`{}`, nil}, {`{` + strings.Replace(exitRecord, "2026", "2062", 1) + `}`, []string{"emergency_exit.triggered"}},
		{`{` + exitRecord + `}`, []string{"emergency_exit.triggered"}}})
}

// TestMarkOfAnOlderVersion: an image that holds a mark from the future hides no exit.
func TestMarkOfAnOlderVersion(t *testing.T) {
	b := newBench(t)
	b.snapshot(historyRow(`{` + farAhead + `}`))
	var image positionImage
	id := "0f2b3c4d-0000-4000-8000-000000000001"
	data, _ := b.machine.state.positions.get([]byte(id))
	if err := image.decode(data); err != nil {
		t.Fatal(err)
	}
	m := &image.keys[lastTrim]
	m.newest, m.dated, m.ahead = m.ahead, true, 0
	b.machine.storePosition(id, &image)
	b.events = nil
	b.update(historyRow(`{` + exitOfT2 + `}`))
	if got := b.names(); !slices.Equal(got, []string{"emergency_exit.executed"}) {
		t.Error(got)
	}
}

// TestPoolBesideReversal: ruling 18. With a companion that went back the pool is reverted, whatever it was before.
func TestPoolBesideReversal(t *testing.T) {
	trim := func(second, price string) string {
		return `"last_trim": {"timestamp": "2026-01-20T10:00:0` + second + `Z", "price": ` + price + `, "signal": "trim_flag", "sr_level_price": 1}`
	}
	pool := func(basis string) string {
		return `"trim_pool": {"usd_basis": ` + basis + `, "recovery_started": false, "dx_count": 0}`
	}
	a, b := `{`+trim("1", "1")+`, `+pool("25")+`}`, `{`+trim("2", "1")+`, `+pool("60")+`}`
	live(t, []told{{`{}`, nil}, {a, []string{"execution.trim_recorded", "trim_pool.opened"}},
		{b, []string{"execution.trim_recorded", "trim_pool.increased"}},
		{a, []string{"execution.reverted", "trim_pool.reverted"}},
		{b, []string{"execution.restored", "trim_pool.restored"}},
		{a, []string{"execution.reverted", "trim_pool.reverted"}},                          // 25 was once reverted to; the trim went back
		{`{}`, []string{"execution.reverted", "trim_pool.reverted"}},                       // both vanished
		{b, []string{"execution.restored", "trim_pool.restored"}},                          // 60 was reverted from
		{`{}`, []string{"execution.reverted", "trim_pool.reverted"}},                       // empty was reverted from
		{`{` + pool("25") + `}`, []string{"trim_pool.restored"}},                           // nothing went back
		{`{` + trim("1", "1") + `}`, []string{"execution.restored", "trim_pool.reverted"}}, // the key vanished
	})
}

// TestTrimBecomesExit: ruling 19.
func TestTrimBecomesExit(t *testing.T) {
	b := live(
		t,
		[]told{{`{` + trimOfT2 + `}`, nil}, {`{` + exitOfT2 + `, ` + openPool + `}`, []string{"emergency_exit.executed", "trim_pool.opened"}}},
	)
	b.expectData(0, map[string]any{"flags": []any{"amended"}, "proceeds_usd": 60.0, "kind": "ema333_break"})
	b.expectData(1, map[string]any{"cause": "emergency_exit"})

	changed := func(price string) string { return `{` + strings.Replace(exitOfT2, "0.05", price, 1) + `}` }
	live(t, []told{{`{}`, nil}, {`{` + trimOfT2 + `}`, []string{"execution.trim_recorded"}}, {`{}`, []string{"execution.reverted"}},
		{changed("0.05"), []string{"emergency_exit.executed"}},
		{changed("0.06"), []string{"execution.amended"}},
		{`{}`, []string{"emergency_exit.reverted"}},
		{changed("0.07"), []string{"execution.amended"}}, // the exit was told
		{`{` + trimOfT2 + `}`, []string{"execution.restored"}},
		{changed("0.08"), []string{"emergency_exit.executed"}},
	})
	live(
		t,
		[]told{
			{`{}`, nil},
			{`{"last_trim": {"timestamp": "2026-01-20T10:00:00Z", "signal": 5}}`, []string{"execution.trim_recorded", "history.malformed"}},
			{`{"last_trim": {"timestamp": "2026-01-20T10:00:00Z", "signal": "exit_position"}}`, []string{"emergency_exit.executed"}},
		},
	)
}

// TestFirstEventIsThere: first_event_id names an event that was published, of the same position and about that fact.
func TestFirstEventIsThere(t *testing.T) {
	b := newBench(t)
	b.snapshot(historyRow(`{}`))
	kinds := make(map[string]string)
	for _, history := range []string{exitRecord + `, ` + guardStamp + `, ` + openPool, exitRecord, exitRecord + `, ` + guardStamp, `"prev_state": "S1"`,
		exitRecord + `, ` + guardStamp, strings.Replace(exitRecord, "5}", `5, "rebuy_used": true}`, 1), exitRecord} {
		b.events = nil
		b.update(historyRow(`{` + history + `}`))
		for _, e := range b.events {
			kinds[e["id"].(string)] = e["type"].(string)
			first, restored := e["data"].(map[string]any)["first_event_id"].(string)
			if restored && e["data"].(map[string]any)["key"] != "trim_pool" && kinds[first] != "lowcap.emergency_exit.triggered.v1" {
				t.Errorf("%s of %v names %q, which is %q", e["type"], e["data"].(map[string]any)["key"], first, kinds[first])
			}
		}
	}
}

// TestSpellingsOfAnInstant: Z and +00:00 are one instant, in every list and for every key.
func TestSpellingsOfAnInstant(t *testing.T) {
	b := live(t, []told{{`{` + exitOfT2 + `, "last_new_ts": "2026-01-20T10:00:00Z", "last_new": {"timestamp": "2026-01-20T10:00:00Z"}}`, nil},
		{`{"last_trim": {"timestamp": "2026-01-20T10:00:00Z", "price": 0.06, "size_frac": 1.0, "signal": "emergency_exit"},
			"last_new_ts": "2026-01-20T10:00:00+00:00", "last_new": {"timestamp": "2026-01-20 10:00:00+00"}}`, []string{"execution.amended"}}})
	b.expectData(0, map[string]any{"changed": []any{"price"}})
}

// TestDoubleEncodedParts: what was encoded once more than it should have been is read.
func TestDoubleEncodedParts(t *testing.T) {
	encode := func(text string) string {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(quoted)
	}
	history := `{` + exitOfT2 + `}`
	for name, features := range map[string]string{
		"features":           encode(`{"pm_execution_history": ` + history + `}`),
		"features twice":     encode(encode(`{"pm_execution_history": ` + history + `}`)),
		"history":            `{"pm_execution_history": ` + encode(history) + `}`,
		"both":               encode(`{"pm_execution_history": ` + encode(history) + `}`),
		"keys twice":         encode(`{"pm_execution_history": {"last_trim": 3, ` + history[1:len(history)-1] + `}}`),
		"history twice":      encode(`{"pm_execution_history": [], "pm_execution_history": ` + history + `}`),
		"signal twice":       encode(`{"pm_execution_history": ` + strings.Replace(history, `"price"`, `"signal": "trim_flag", "price"`, 1) + `}`),
		"timestamp twice":    encode(`{"pm_execution_history": ` + strings.Replace(history, `{"timestamp"`, `{"timestamp": "1999-01-01T00:00:00Z", "timestamp"`, 1) + `}`),
		"price twice":        encode(`{"pm_execution_history": ` + strings.Replace(history, `"price"`, `"price": [], "price"`, 1) + `}`),
		"names with escapes": encode(`{"pm_execution_history": ` + strings.Replace(history, `last_trim`, `last\u005ftrim`, 1) + `}`),
	} {
		b := newBench(t)
		b.snapshot(featuresRow(`{"pm_execution_history": {}}`))
		b.events = nil
		b.update(featuresRow(features))
		if got := b.names(); !slices.Equal(got, []string{"emergency_exit.executed"}) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		if flags := fmt.Sprint(b.data(0)["flags"]); !strings.Contains(flags, "double_encoded") {
			t.Errorf("%s: flags are %s", name, flags)
		}
	}
}

// drawGarbage draws a JSON value that nothing expects.
func drawGarbage(t *rapid.T) string {
	return rapid.SampledFrom([]string{`null`, `true`, `[]`, `{}`, `"NaN"`, `"Infinity"`, `"1e400"`, `""`, `"\\u0000"`, `"\\ud800"`, `0`, `-0.0`, `1e5`, `1e100000`,
		strings.Repeat("7", 1000),
		strings.Repeat("7", 1001), "0." + strings.Repeat("3", 2000), deep(999), deep(1000), deep(1005), `[{"timestamp": "2026-01-20T10:00:00Z"}]`,
		`"2026-01-20T10:00:00Z"`, `"2062-01-20T10:00:00Z"`, `"infinity"`, `{"timestamp": "2026-01-20T10:00:00Z"}`, `{"timestamp": "2099-01-20T10:00:00Z", "signal": "trim_flag"}`,
		`{"timestamp": null}`, `{"usd_basis": "60.0", "dx_count": 1.5}`, `{"usd_basis": 60, "recovery_started": "x"}`, `{"a": {"b": [1, {"c": 1e999999}]}}`,
		`"` + strings.Repeat("x", 5000) + `"`, `"{\"timestamp\": \"2026-01-20T10:00:00Z\"}"`}).
		Draw(t, "garbage")
}

// TestNothingHidesAnExit: whatever stands beside it, and whatever stood there before, a new well-formed exit is told once.
func TestNothingHidesAnExit(t *testing.T) {
	others := append(slices.Clone(keyNames[:]), "uptrend", "last_trim_", "", "a\\\"b", "timestamp")
	others = slices.DeleteFunc(others, func(name string) bool { return name == "last_trim" })
	document := func(t *rapid.T, exit string) string {
		parts := []string{}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(others), rapid.ID[string]).Draw(t, "keys") {
			parts = append(parts, `"`+name+`": `+drawGarbage(t))
		}
		if exit != "" {
			parts = append(parts, `"last_trim": `+exit)
		}
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)).Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return `{` + strings.Join(parts, ", ") + `}`
	}
	row := func(t *rapid.T, history string) decode.PositionRow {
		features := `{"uptrend_engine_v4": ` + drawGarbage(t) + `, "pm_execution_history": ` + history + `}`
		if rapid.Bool().Draw(t, "double encoded") && json.Valid([]byte(features)) {
			quoted, _ := json.Marshal(features)
			features = string(quoted)
		}
		row := featuresRow(features)
		row[decode.CompletedTrades] = decode.Value{Kind: decode.Text, Text: []byte(drawGarbage(t))}
		return row
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		old := rapid.SampledFrom([]string{"", drawGarbage(rt), `{"timestamp": "2026-01-19T10:00:00Z", "signal": "trim_flag", "price": ` + drawGarbage(rt) + `}`,
			`{"timestamp": "2062-01-19T10:00:00Z", "signal": "emergency_exit"}`}).
			Draw(rt, "before")
		b.snapshot(row(rt, document(rt, "")))
		b.update(row(rt, document(rt, old)))
		b.events = nil
		exit := `{"timestamp": "2026-01-20T10:00:01Z", "signal": "emergency_exit"`
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"price", "size_frac", "state", "sr_level_price", "note", "x"}), rapid.ID[string]).Draw(rt, "fields") {
			exit += `, "` + name + `": ` + drawGarbage(rt)
		}
		b.update(row(rt, document(rt, exit+`}`)))
		exits := 0
		for _, name := range b.names() {
			if name == "emergency_exit.executed" {
				exits++
			}
		}
		if exits != 1 {
			rt.Fatalf("%d exits among %q", exits, b.names())
		}
	})
}
