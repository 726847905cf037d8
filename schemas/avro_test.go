package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"
)

func avroCodec(t testing.TB, of Type) *AvroCodec {
	t.Helper()
	codec, err := NewAvroCodec(avroSchema(t, of))
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

func avroSchema(t testing.TB, of Type) []byte {
	t.Helper()
	schema, err := AvroSchema(of)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// avroEvents returns every recorded event, and of each type the emptiest there can be, as the first contract had it.
func avroEvents(t testing.TB) (events [][]byte) {
	t.Helper()
	for _, kind := range Kinds() {
		for _, entity := range entitiesOf(kind.Type) {
			data := kind.New()
			data.Head().Entity = reflect.ValueOf(entity).Elem().Interface().(Entity)
			events = append(events, AppendEvent(nil, &Attributes{ID: "1", Type: kind.Type}, data))
		}
	}
	return append(events, recorded()...)
}

func typeOf(t testing.TB, event []byte) Type {
	t.Helper()
	parsed, err := Parse(nil, event)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Type
}

func TestAvroKeepsEveryByte(t *testing.T) {
	for _, event := range append(avroEvents(t), oddEvent()) {
		codec := avroCodec(t, typeOf(t, event))
		binary, err := codec.Append([]byte("before"), event)
		if err != nil {
			t.Fatalf("%s\n%v", event, err)
		}
		back, err := codec.AppendJSON([]byte("before"), binary[len("before"):])
		if err != nil || string(back) != "before"+string(event) {
			t.Errorf("came back as\n%s\nwas\n%s\n%v", back, event, err)
		}
	}
}

// oddEvent has what JSON cannot write plainly, digits that a binary float loses, and raw values with blanks.
func oddEvent() []byte {
	data := &TrimPoolReplaced{OldBasis: "NaN", NewBasis: "-0.10000000000000000000000000000001", Cause: "\x00\"\\\n\u2028é\xff"}
	reason := "</script>\t"
	data.Entity, data.Origin.Reason = Position{ID: "1"}, &reason
	data.Before, data.After = Raw(`{ "a,b]}\"\\" : [1e-05, {} ,"\u0041"]  }`), Raw(`"1,2"`)
	data.Flags = []Flag{"a", "b,c"}
	return AppendEvent(nil, &Attributes{ID: "1", Type: data.Type(), Number: 1 << 63}, data)
}

// TestAvroIsAvro reads our bytes with a library that knows nothing of us, and writes them with it again.
func TestAvroIsAvro(t *testing.T) {
	for _, event := range append(avroEvents(t), oddEvent()) {
		of := typeOf(t, event)
		schema, err := avro.ParseBytes(avroSchema(t, of))
		if err != nil {
			t.Fatalf("%s: %v", of, err)
		}
		binary, err := avroCodec(t, of).Append(nil, event)
		if err != nil {
			t.Fatal(err)
		}
		var record map[string]any
		if err := avro.Unmarshal(schema, binary, &record); err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		again, err := avro.Marshal(schema, record)
		if err != nil {
			t.Fatalf("%s: %v", of, err)
		}
		back, err := avroCodec(t, of).AppendJSON(nil, again)
		if err != nil || !bytes.Equal(back, event) {
			t.Errorf("the library wrote\n%s\nwas\n%s\n%v", back, event, err)
		}
		if record["id"] == "" || record["data"].(map[string]any)["occurred_at_quality"] == nil {
			t.Errorf("the library read %v", record)
		}
	}
}

// TestAvroFieldsComeAndGo takes one field after another out of each schema, attributes and those of data: readers of
// either schema must read both. Only what makes an event is always there.
func TestAvroFieldsComeAndGo(t *testing.T) {
	compatible := avro.NewSchemaCompatibility()
	for _, kind := range Kinds() {
		whole := parsed(t, avroSchema(t, kind.Type))
		data := whole.Fields()[len(whole.Fields())-1].Type().(*avro.RecordSchema)
		for _, record := range []*avro.RecordSchema{whole, data} {
			for _, field := range record.Fields() {
				if name := field.Name(); name == "data" || name == "entity" {
					continue
				}
				less := parsed(t, without(t, avroSchema(t, kind.Type), record == data, field.Name()))
				if err := errors.Join(compatible.Compatible(whole, less), compatible.Compatible(less, whole)); err != nil {
					t.Errorf("%s without %s: %v", kind.Type, field.Name(), err)
				}
			}
		}
	}
}

// parsed reads a schema with names of its own: the library keeps records by name.
func parsed(t *testing.T, schema []byte) *avro.RecordSchema {
	t.Helper()
	read, err := avro.ParseBytesWithCache(schema, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	return read.(*avro.RecordSchema)
}

// without takes a field out of a schema's record, or out of its data.
func without(t *testing.T, schema []byte, ofData bool, name string) []byte {
	t.Helper()
	var record map[string]any
	if err := json.Unmarshal(schema, &record); err != nil {
		t.Fatal(err)
	}
	fields := record["fields"].([]any)
	of := record
	if ofData {
		of = fields[len(fields)-1].(map[string]any)["type"].(map[string]any)
	}
	of["fields"] = slices.DeleteFunc(of["fields"].([]any), func(f any) bool { return f.(map[string]any)["name"] == name })
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAvroRefusesWhatItWouldLose(t *testing.T) {
	event := string(recorded()[0])
	codec := avroCodec(t, typeOf(t, []byte(event)))
	for name, other := range map[string]string{
		"no JSON":             `x`,
		"nothing":             ``,
		"an unknown field":    strings.Replace(event, `"severity"`, `"later":1,"severity"`, 1),
		"another order":       strings.Replace(event, `"specversion":"1.0","id"`, `"id"`, 1) + `"specversion":"1.0"`,
		"a null entity":       strings.Replace(event, `"entity":{`, `"entity":null,"x":{`, 1),
		"a number as text":    strings.Replace(event, `"xid":0`, `"xid":"0"`, 1),
		"a list as text":      strings.Replace(event, `"flags":[]`, `"flags":"[]"`, 1),
		"a text as number":    strings.Replace(event, `"severity":"info"`, `"severity":1`, 1),
		"something behind it": event + `{}`,
		"the end missing":     event[:len(event)-1],
	} {
		if got, err := codec.Append(nil, []byte(other)); !errors.Is(err, ErrContract) || len(got) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAvroOfEarlierEvents encodes an event without a field that the schema has: it takes its default.
func TestAvroOfEarlierEvents(t *testing.T) {
	event := string(recorded()[0])
	codec := avroCodec(t, typeOf(t, []byte(event)))
	for _, field := range []string{`,"flags":[]`, `"failure_ts":{"s1":null,"s2":"2026-01-17T18:00:00.000000Z"},`} {
		earlier := strings.Replace(event, field, "", 1)
		binary, err := codec.Append(nil, []byte(earlier))
		if err != nil || earlier == event {
			t.Fatal(err)
		}
		const stage = `"s2":"2026-01-17T18:00:00.000000Z"},"last`
		want := strings.Replace(event, stage, `"s2":null},"last`, strings.Count(field, "failure_ts"))
		if back, err := codec.AppendJSON(nil, binary); err != nil || string(back) != want {
			t.Errorf("without %s came back as\n%s\nwas\n%s\n%v", field, back, event, err)
		}
	}
}

func TestAvroSchemaOfSomethingElse(t *testing.T) {
	for _, schema := range []string{``, `{`, `"string"`, `["null","string"]`,
		`{"type":"record","name":"a.X","fields":[{"name":"f","type":"double"}]}`,
		`{"type":"record","name":"a.X","fields":[{"name":"f","type":"X"}]}`, // contains itself
		`{"type":"record","name":"a.X","fields":[{"name":"f","type":["string","long"]}]}`,
		`{"type":"record","name":"a.X","fields":[{"name":"f","type":{"type":"array"}}]}`} {
		if _, err := NewAvroCodec([]byte(schema)); !errors.Is(err, errAvroSchema) {
			t.Errorf("%s: %v", schema, err)
		}
	}
}

// FuzzAvro decodes any bytes with the largest schema: an error, or JSON that encodes to an event that comes back.
func FuzzAvro(f *testing.F) {
	of := (*HistoryMalformed)(nil).Type()
	for _, event := range append(avroEvents(f), oddEvent()) {
		if typeOf(f, event) == of {
			binary, err := avroCodec(f, of).Append(nil, event)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(binary)
		}
	}
	codec := avroCodec(f, of)
	f.Fuzz(func(t *testing.T, binary []byte) {
		event, err := codec.AppendJSON(nil, binary)
		if err != nil {
			return
		}
		if !json.Valid(event) {
			t.Fatalf("no JSON: %s", event)
		}
		again, err := codec.Append(nil, event)
		if err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		if back, err := codec.AppendJSON(nil, again); err != nil || !bytes.Equal(back, event) {
			t.Fatalf("%s came back as %s: %v", event, back, err)
		}
	})
}

func BenchmarkAvro(b *testing.B) {
	events := recorded()
	codecs, text, binary := make([]*AvroCodec, len(events)), 0, 0
	for i, event := range events {
		codecs[i] = avroCodec(b, typeOf(b, event))
		encoded, err := codecs[i].Append(nil, event)
		if err != nil {
			b.Fatal(err)
		}
		text, binary = text+len(event), binary+len(encoded)
	}
	var dst []byte
	for i := 0; b.Loop(); i++ {
		var err error
		if dst, err = codecs[i%len(events)].Append(dst[:0], events[i%len(events)]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(text)/float64(len(events)), "json-bytes/event")
	b.ReportMetric(float64(binary)/float64(len(events)), "avro-bytes/event")
}
