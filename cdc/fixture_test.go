package cdc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas/schematest"
)

// fixtureFile is the shape of testdata/contract.json and testdata/own.json.
type fixtureFile struct {
	Position map[string]any `json:"position"`
	Fixtures []fixture      `json:"fixtures"`
}

// fixture is one change: what the sidecar last saw, the new row, and the events to expect. Fixtures that name another
// in After first see that one.
type fixture struct {
	ID            string          `json:"id"`
	Title         string          `json:"title"`
	Follows       []string        `json:"follows"`
	Scope         string          `json:"scope"`
	Before        json.RawMessage `json:"before"`
	After         json.RawMessage `json:"after"`
	ColumnsBefore map[string]any  `json:"columns_before"`
	ColumnsAfter  map[string]any  `json:"columns_after"`
	Expect        []expectation   `json:"expect"`
}

type expectation struct {
	Type string         `json:"type"`
	Data map[string]any `json:"data"`
}

func readFixtures(t *testing.T, path string) fixtureFile {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file fixtureFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFixtures(t *testing.T) {
	for _, path := range []string{"testdata/contract.json", "testdata/own.json"} {
		file := readFixtures(t, path)
		byID := make(map[string]fixture)
		for _, f := range file.Fixtures {
			byID[f.ID] = f
		}
		byID["F02"], byID["F03"] = following(byID["F02"], "F01"), following(byID["F03"], "F01", "F02")
		for _, f := range file.Fixtures {
			f = byID[f.ID]
			t.Run(f.ID, func(t *testing.T) { runFixture(t, file, byID, f) })
		}
	}
}

func following(f fixture, ids ...string) fixture {
	f.Follows = ids
	return f
}

func runFixture(t *testing.T, file fixtureFile, byID map[string]fixture, f fixture) {
	b := newBench(t)
	first := f
	if len(f.Follows) > 0 {
		first = byID[f.Follows[0]]
	}
	b.snapshot(first.row(t, file, first.Before, first.ColumnsBefore))
	for _, id := range f.Follows {
		previous := byID[id]
		b.update(previous.row(t, file, previous.After, previous.ColumnsAfter))
	}
	b.events = nil
	b.update(f.row(t, file, f.After, f.ColumnsAfter))
	b.expect(f.Expect)
}

// row makes the row that a side of a fixture describes; nil when there is none.
func (f fixture) row(t *testing.T, file fixtureFile, side json.RawMessage, columns map[string]any) any {
	t.Helper()
	if f.Scope == "token_timeframe_blocks" {
		var values map[string]any
		if err := json.Unmarshal(side, &values); err != nil {
			t.Fatal(err)
		}
		if values == nil {
			return nil
		}
		return blockRow(values)
	}
	values := map[string]any{"status": "active", "state": "S2", "current_trade_id": nil}
	for _, from := range []map[string]any{file.Position, columns} {
		for name, v := range from {
			values[name] = v
		}
	}
	features := string(side)
	if f.Scope == "pm_execution_history" {
		features = `{"pm_execution_history": ` + features + `}`
	}
	values["features"] = json.RawMessage(features)
	return positionRow(values)
}

// bench drives a machine as the pipeline does and collects what it says.
type bench struct {
	t       *testing.T
	machine *machine
	lsn     decode.LSN
	events  []map[string]any
	raw     [][]byte
	rawOnly bool // events are neither validated nor read
}

const benchCommitTime = decode.Micros(1795500000000000) // 2026-11-24

func newBench(t *testing.T) *bench {
	state := NewState()
	state.Checkpoint.Identity = Identity{SystemID: "7421", Timeline: 1, Database: "trading"}
	state.Checkpoint.Slot = "lowcap_cdc"
	return &bench{t: t, machine: newMachine(state, ""), lsn: 0x100}
}

func (b *bench) snapshot(rows ...any) { b.snapshotOf(someTables, rows...) }

// someTables are both tables, as members of a publication.
var someTables = decode.TableIDs{decode.Blocks: {OID: 16400, Member: 1}, decode.Positions: {OID: 16410, Member: 2}}

// snapshotOf is a snapshot of the given tables.
func (b *bench) snapshotOf(tables decode.TableIDs, rows ...any) {
	b.t.Helper()
	b.lsn += 0x100
	b.machine.begin(
		&decode.Begin{CommitLSN: b.lsn, CommitTime: benchCommitTime + decode.Micros(b.lsn)*1000, Snapshot: true, Tables: tables, Publication: 9},
	)
	for _, row := range rows {
		if row != nil {
			b.apply(insertOf(row))
		}
	}
	if _, err := b.machine.finishRows(); err != nil {
		b.t.Fatal(err)
	}
	b.commit()
}

// update applies a row in a transaction of its own: an insert when its key is not known.
func (b *bench) update(row any) {
	b.t.Helper()
	b.begin()
	switch row := row.(type) {
	case decode.BlockRow:
		op := decode.Insert
		if _, known := b.machine.state.blocks.get([]byte(blockKey(&row))); known {
			op = decode.Update
		}
		b.apply(&decode.BlockChange{Op: op, New: row})
	case decode.PositionRow:
		b.apply(&decode.PositionChange{Op: decode.Update, New: row})
	}
	b.commit()
}

func insertOf(row any) decode.Message {
	if block, ok := row.(decode.BlockRow); ok {
		return &decode.BlockChange{Op: decode.Insert, New: block}
	}
	return &decode.PositionChange{Op: decode.Insert, New: row.(decode.PositionRow)}
}

func (b *bench) begin() {
	b.lsn += 0x100
	b.machine.begin(&decode.Begin{CommitLSN: b.lsn, CommitTime: benchCommitTime + decode.Micros(b.lsn)*1000, XID: 7})
}

func (b *bench) apply(messages ...decode.Message) {
	b.t.Helper()
	for _, message := range messages {
		for done := false; !done; {
			var err error
			if done, err = b.machine.apply(message); err != nil {
				b.t.Fatal(err)
			}
			if !done {
				b.machine.cut()
				b.drain()
			}
		}
	}
}

func (b *bench) commit() {
	b.t.Helper()
	b.machine.commit(&decode.Commit{CommitLSN: b.lsn, EndLSN: b.lsn + 0x30})
	b.drain()
}

// drain takes the events out of the machine, and puts every image through its bytes, as a restart would.
func (b *bench) drain() {
	b.t.Helper()
	batch, err := b.machine.out.seal(b.machine.state, false)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, event := range batch.Events {
		b.raw = append(b.raw, append([]byte(nil), event.Value...))
		if b.rawOnly {
			continue
		}
		schematest.Validate(b.t, event.Value)
		b.events = append(b.events, decodeJSON(b.t, event.Value).(map[string]any))
	}
	b.machine.out.reset()
}

// decodeJSON is json.Unmarshal, but numbers that no float64 holds stay as they are.
func decodeJSON(t *testing.T, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return floats(decoded)
}

func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f
		}
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = floats(v[name])
		}
	}
	return v
}

func (b *bench) types() []string {
	var types []string
	for _, e := range b.events {
		types = append(types, e["type"].(string))
	}
	return types
}

func (b *bench) expect(want []expectation) {
	b.t.Helper()
	var types []string
	for _, e := range want {
		types = append(types, e.Type)
	}
	if got := b.types(); !reflect.DeepEqual(got, types) {
		b.t.Fatalf("events\n got %q\nwant %q", got, types)
	}
	for i, e := range want {
		data := b.events[i]["data"].(map[string]any)
		for name, value := range e.Data {
			if got, ok := data[name]; !ok || !reflect.DeepEqual(got, value) {
				b.t.Errorf("%s: %s is %v, want %v", e.Type, name, got, value)
			}
		}
	}
}

// positionRow makes a row from column values as JSON has them.
func positionRow(values map[string]any) decode.PositionRow {
	var row decode.PositionRow
	names, _ := decode.Columns(decode.Positions)
	fill(row[:], names, values)
	return row
}

func blockRow(values map[string]any) decode.BlockRow {
	var row decode.BlockRow
	names, _ := decode.Columns(decode.Blocks)
	fill(row[:], names, values)
	return row
}

func fill(row []decode.Value, names []string, values map[string]any) {
	for i, name := range names {
		v, there := values[name]
		switch v := v.(type) {
		case nil:
			if there {
				row[i].Kind = decode.Null
			}
		case decode.Kind:
			row[i].Kind = v
		case bool:
			row[i] = decode.Value{Kind: decode.Text, Text: []byte(fmt.Sprint(v)[:1])}
		case json.RawMessage:
			row[i] = decode.Value{Kind: decode.Text, Text: v}
		default:
			row[i] = decode.Value{Kind: decode.Text, Text: []byte(fmt.Sprint(v))}
		}
	}
}
