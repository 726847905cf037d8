package decode

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// wire builds pgoutput messages.
type wire []byte

func message(kind byte) wire       { return wire{kind} }
func (w wire) u8(v byte) wire      { return append(w, v) }
func (w wire) u16(v uint16) wire   { return binary.BigEndian.AppendUint16(w, v) }
func (w wire) u32(v uint32) wire   { return binary.BigEndian.AppendUint32(w, v) }
func (w wire) u64(v uint64) wire   { return binary.BigEndian.AppendUint64(w, v) }
func (w wire) text(s string) wire  { return append(append(w, s...), 0) }
func (w wire) sized(s string) wire { return append(w.u32(uint32(len(s))), s...) }
func (w wire) value(s string) wire { return w.u8('t').sized(s) }
func (w wire) column(c column) wire {
	flags := map[bool]byte{true: 1}[c.key]
	return w.u8(flags).text(c.name).u32(c.oid).u32(0xFFFFFFFF)
}

func blocksRelation(extra ...string) wire {
	var columns []column
	for _, name := range extra {
		columns = append(columns, column{name: name})
	}
	return relationOf(Blocks, append(columns, columnsOf(Blocks)...)...)
}

func relationOf(t Table, columns ...column) wire {
	w := message('R').u32(7).text("public").text(t.String()).u8('d').u16(uint16(len(columns)))
	for _, c := range columns {
		w = w.column(c)
	}
	return w
}

func blockTuple(w wire, values ...string) wire {
	w = w.u8('N').u16(uint16(len(values)))
	for _, v := range values {
		switch v {
		case "NULL":
			w = w.u8('n')
		case "UNCHANGED":
			w = w.u8('u')
		default:
			w = w.value(v)
		}
	}
	return w
}

func mustDecode(t *testing.T, d *Decoder, w wire) Message {
	t.Helper()
	m, err := d.Decode(w)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestColumnsAreBoundByName(t *testing.T) {
	d := NewDecoder("public")
	mustDecode(t, d, blocksRelation("added_in_front"))
	m := mustDecode(t, d, blockTuple(message('I').u32(7), "x", "C", "solana", "1h", "book", "t", "f", "NULL", "UNCHANGED", "NULL"))
	row := m.(*BlockChange).New
	if got := string(row[BlockContract].Text); got != "C" {
		t.Errorf("contract is %q", got)
	}
	if row[LastS1Failure].Kind != Null || row[LastS2Failure].Kind != Unchanged {
		t.Errorf("null is %v, unchanged is %v: they are two facts", row[LastS1Failure].Kind, row[LastS2Failure].Kind)
	}
}

func TestMissingRequiredColumnIsAnError(t *testing.T) {
	w := relationOf(Positions, column{name: "id", key: true})
	var missing *ColumnError
	if _, err := NewDecoder("public").Decode(w); !errors.As(err, &missing) {
		t.Fatalf("error is %v", err)
	}
}

func TestOtherTablesAreNothing(t *testing.T) {
	d := NewDecoder("public")
	mustDecode(t, d, message('R').u32(9).text("public").text("other").u8('d').u16(1).column(column{name: "id"}))
	if m := mustDecode(t, d, message('I').u32(9).u8('N').u16(1).value("1")); m != nil {
		t.Errorf("got %T", m)
	}
}

// TestEveryTruncationIsAnError cuts messages at every byte: each is an error, none a panic.
func TestEveryTruncationIsAnError(t *testing.T) {
	whole := []wire{
		message('B').u64(1).u64(2).u32(3), message('C').u8(0).u64(1).u64(2).u64(3), blocksRelation(),
		message('M').u8(1).u64(1).text(AnnotationPrefix).sized(`{}`), message('T').u32(1).u8(0).u32(7),
		blockTuple(message('I').u32(7), "C", "solana", "1h", "book", "t", "f", "NULL", "UNCHANGED", "NULL"),
	}
	d := NewDecoder("public")
	mustDecode(t, d, blocksRelation())
	for _, w := range whole {
		mustDecode(t, d, w)
		for n := range w {
			if _, err := d.Decode(w[:n]); err == nil {
				t.Errorf("message %q cut to %d of %d bytes is accepted", w[0], n, len(w))
			}
		}
	}
}

// TestColumnsThatCannotBeTheWatchedOnes: a column of another type, or a key that deletes would not name.
func TestColumnsThatCannotBeTheWatchedOnes(t *testing.T) {
	for name, spoil := range map[string]func([]column){
		"features":         func(c []column) { c[FeaturesColumn].oid = 25 },
		"id":               func(c []column) { c[PositionID].key = false },
		"current_trade_id": func(c []column) { c[CurrentTradeID].name = "trade_id" },
	} {
		columns := append([]column{}, columnsOf(Positions)...)
		spoil(columns)
		var wrong *ColumnError
		if _, err := NewDecoder("public").Decode(relationOf(Positions, columns...)); !errors.As(err, &wrong) || wrong.Column != name {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// TestMarker: what the sidecar writes into the WAL it reads back, and what others write there stops nothing.
func TestMarker(t *testing.T) {
	want := TableGone{Table: Blocks, ID: TableID{7, 8}, Why: WhyDropped, Since: Progress{LSN: 0x16B3748, Time: 12}}
	content := want.Content("n")
	send := func(flags byte, prefix, content string) Message {
		return mustDecode(t, NewDecoder("public"), message('M').u8(flags).u64(1).text(prefix).sized(content))
	}
	if got, ok := send(1, MarkerPrefix, content).(*TableGone); !ok || *got != want {
		t.Errorf("got %v", got)
	}
	for _, content := range []string{"{}", "nonsense", `{"table": "other", "why": "it was dropped"}`, "",
		`{"table": "token_timeframe_blocks", "why": "a text of a stranger"}`, strings.TrimSuffix(content, "}") + strings.Repeat(" ", 1<<20) + "}"} {
		if got := send(1, MarkerPrefix, content); got != nil {
			t.Errorf("%q gives %v", content, got)
		}
	}
	if got := send(0, MarkerPrefix, content); got != nil {
		t.Errorf("a message outside a transaction gives %v", got)
	}
}

func TestFeatures(t *testing.T) {
	for document, want := range map[string]string{
		`{"a": 1, "pm_execution_history": {"x": "}"}, "uptrend_engine_v4": {}}`: `{"x": "}"}`,
		`{"pm_execution_history": null}`:                                        "", `null`: "", `{}`: "",
		`"{\"pm_execution_history\": {\"x\": 1}}"`: `{"x": 1}`,
	} {
		f, err := ParseFeatures([]byte(document))
		if err != nil || string(f.History) != want || f.DoubleEncoded != (document[0] == '"') {
			t.Errorf("%s: history %q, %v", document, f.History, err)
		}
	}
	for _, document := range []string{`[]`, `1`, `true`, `"no json"`, `"[1]"`, `"{\"a\":"`} {
		var malformed *Malformed
		if _, err := ParseFeatures([]byte(document)); !errors.As(err, &malformed) {
			t.Errorf("%s: error is %v", document, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(blocksRelation()))
	f.Add([]byte(blockTuple(message('I').u32(7), "C", "solana", "1h", "book", "t", "f", "NULL", "UNCHANGED", "NULL")))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := NewDecoder("public")
		if _, err := d.Decode(blocksRelation()); err != nil {
			t.Fatal(err)
		}
		d.Decode(data) //nolint:errcheck // it must only not panic
	})
}

// FuzzFeatures compares what the scan finds in a valid object with what encoding/json finds, and wants no panic else.
func FuzzFeatures(f *testing.F) {
	f.Add([]byte(`{"pm_execution_history": {"x": [1, "}\\\""]}, "other": "a,b"}`))
	f.Add([]byte(`{"pm\u005fexecution_history" : "x" , "uptrend_engine_v4":[{}],"n":-1.5e3}`))
	f.Add([]byte(`"{\"pm_execution_history\": {}}"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ParseFeatures(bytes.Clone(data)) //nolint:errcheck // it must only not panic
		found := scan(data, false)
		var members map[string]json.RawMessage
		if json.Unmarshal(data, &members) != nil || members == nil || !utf8.Valid(data) {
			return
		}
		for name, got := range map[string][]byte{historyName: found.History, engineName: found.Engine} {
			if want := members[name]; string(want) != string(got) && string(want) != "null" {
				t.Fatalf("%s in %q: found %q, want %q", name, data, got, want)
			}
		}
	})
}

// TestFeaturesStopBehindTheHistory: jsonb prints longer names later, so what comes behind them is not looked at.
func TestFeaturesStopBehindTheHistory(t *testing.T) {
	document := []byte(`{"pm_execution_history": {"x": 1}, "a_name_longer_than_the_history": {`)
	if f, err := ParseFeatures(document); err != nil || string(f.History) != `{"x": 1}` {
		t.Errorf("history %q, %v", f.History, err)
	}
	allocations := testing.AllocsPerRun(100, func() { ParseFeatures(document) }) //nolint:errcheck // tried above
	if allocations > 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func TestElements(t *testing.T) {
	for array, want := range map[string]int64{`[]`: 0, `[ ]`: 0, `[1]`: 1, `[1, 2]`: 2, `[{"a": "],["}, [[1, 2], 3], "x,]", null]`: 4, `[`: 0} {
		if got := Elements([]byte(array)); got != want {
			t.Errorf("%s has %d elements, want %d", array, got, want)
		}
	}
}
