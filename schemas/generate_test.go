package schemas

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
)

var update = flag.Bool("update", false, "write the schemas and the documents made from the types anew")

// TestMain writes first what is to be written, so that all tests of one run see the same.
func TestMain(m *testing.M) {
	flag.Parse()
	if *update {
		files = os.DirFS(".")
		for path, text := range documents() {
			must(0, os.WriteFile(path, text, 0o600))
		}
	}
	os.Exit(m.Run())
}

// TestDocumentsMatchTypes makes everything that follows from the types again and compares it with the files.
func TestDocumentsMatchTypes(t *testing.T) {
	for path, text := range documents() {
		if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, text) {
			t.Errorf("%s differs from what it is made from (%v); run: go test ./schemas -update", path, err)
		}
	}
}

// documents returns what is made from the types, by path: schemas of each type, and the documents for people and tools.
func documents() map[string][]byte {
	g := newGenerator()
	made := map[string][]byte{
		"asyncapi.json": indented(g.asyncAPI()), "../docs/events.md": g.reference(), "../deploy/consumers/flink/tables.sql": flinkTables(),
	}
	for _, kind := range Kinds() {
		name := kind.Type.Name()
		made[filepath.Join("v1", name+".json")] = indented(g.event(kind))
		avro := &avroGenerator{generator: g}
		made[filepath.Join("avro", "v1", name+".avsc")] = indented(avro.event(kind))
	}
	return made
}

// TestEverythingIsDescribed fails for an event or a field without a comment, and for an event without a recorded example.
func TestEverythingIsDescribed(t *testing.T) {
	g := newGenerator()
	for _, kind := range Kinds() {
		describedEverywhere(t, kind.Type.Name(), g.event(kind))
		if about := g.guide(kind); about.why == "" || about.do == "" {
			t.Errorf("%s: the comment of its struct lacks a paragraph that begins with Why: or Do:", kind.Type)
		}
		if g.examples[kind.Type] == nil {
			t.Errorf("%s: no recording in testdata has one", kind.Type)
		}
	}
	for _, flag := range flags() {
		if constantComments()[string(flag)] == "" {
			t.Errorf("flag %s has no comment", flag)
		}
	}
}

// must ends the run: these tests cannot go on without what is missing.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func indented(value any) []byte { return append(must(json.MarshalIndent(value, "", "  ")), '\n') }

// generator makes schemas by reflection. Their objects are open: a consumer that validates with an older copy accepts
// the fields that a later one adds.
type generator struct {
	jsonschema.Reflector
	examples map[Type]json.RawMessage
}

func newGenerator() *generator {
	g := &generator{
		Reflector: jsonschema.Reflector{Anonymous: true, DoNotReference: true, AllowAdditionalProperties: true, Mapper: leaf},
		examples:  recordedExamples(),
	}
	must(0, g.AddGoComments("lowcap-cdc/schemas", ".", jsonschema.WithFullComment()))
	g.LookupComment = func(of reflect.Type, field string) string { return g.paragraphs(of, field)[0] }
	return g
}

// paragraphs returns the comment of a type, or of a field of it.
func (g *generator) paragraphs(of reflect.Type, field string) []string {
	name, _, _ := strings.Cut(of.Name(), "[") // PerStage[...]
	paragraphs := strings.Split(g.CommentMap["lowcap-cdc/schemas."+strings.TrimSuffix(name+"."+field, ".")], "\n\n")
	for i, text := range paragraphs {
		paragraphs[i] = strings.Join(strings.Fields(text), " ")
	}
	return paragraphs
}

// envelope is an event in structured form without its data.
type envelope struct {
	SpecVersion     string `json:"specversion" jsonschema:"description=version of CloudEvents"`
	DataContentType string `json:"datacontenttype" jsonschema:"description=media type of data"`
	DataSchema      string `json:"dataschema" jsonschema:"description=the $id of this schema"`
	Attributes
}

// event returns the schema of a type's events in structured form.
func (g *generator) event(kind Kind) *jsonschema.Schema {
	root := g.of(reflect.TypeFor[envelope]())
	root.Version, root.ID = jsonschema.Version, jsonschema.ID(kind.Type.DataSchema())
	data := g.data(kind)
	root.Title = kind.Type.Name()
	root.Description = strings.Replace(data.Description, reflect.TypeOf(kind.New()).Elem().Name(), kind.Type.Name(), 1)
	for name, value := range map[string]any{"specversion": "1.0", "datacontenttype": "application/json",
		"dataschema": kind.Type.DataSchema(), "type": kind.Type} {
		property, _ := root.Properties.Get(name)
		property.Const, property.Type = value, ""
	}
	severity, _ := root.Properties.Get("severity")
	if severity.Enum = words(kind.Severities...).Enum; len(kind.Severities) == 1 {
		severity.Const, severity.Enum, severity.Type = kind.Severity, nil, ""
	}
	if kind.Due {
		origin, _ := data.Properties.Get("origin")
		op, _ := origin.Properties.Get("op")
		op.Enum = append(op.Enum, OpTime)
	}
	root.Properties.Set("data", data)
	root.Required = append(root.Required, "data")
	if example, ok := g.examples[kind.Type]; ok {
		root.Examples = []any{example}
	}
	return root
}

func (g *generator) data(kind Kind) *jsonschema.Schema {
	of := reflect.TypeOf(kind.New()).Elem()
	data := g.of(of)
	data.Title = of.Name() + "Data"
	property, _ := data.Properties.Get("entity")
	description := property.Description
	if entities := g.entities(kind); len(entities) == 1 {
		*property = *entities[0]
	} else {
		*property = jsonschema.Schema{AnyOf: entities, Description: description}
	}
	return data
}

// of reflects a struct: titles by its types, null where a pointer is nil.
func (g *generator) of(t reflect.Type) *jsonschema.Schema {
	schema := g.ReflectFromType(t)
	schema.Version = ""
	g.finish(schema, t)
	return schema
}

func (g *generator) finish(schema *jsonschema.Schema, t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		property, named := schema.Properties.Get(name)
		switch {
		case field.Anonymous:
			g.finish(schema, field.Type)
		case named && field.Type.Kind() == reflect.Pointer:
			property.Extras = map[string]any{"type": []string{property.Type, "null"}}
			property.Type = ""
			if inner := field.Type.Elem(); inner.Kind() == reflect.Struct {
				property.Title = inner.Name()
				g.finish(property, inner)
			}
		case named && property.Type == "string":
			property.Minimum = "" // of the number that the string holds
		case named && field.Type.Kind() == reflect.Struct && !strings.Contains(field.Type.Name(), "["):
			property.Title = field.Type.Name()
			g.finish(property, field.Type)
		}
	}
}

func (g *generator) entities(kind Kind) []*jsonschema.Schema {
	var entities []*jsonschema.Schema
	for _, e := range entitiesOf(kind.Type) {
		schema := g.of(reflect.TypeOf(e).Elem())
		schema.Title = reflect.TypeOf(e).Elem().Name()
		entities = append(entities, schema)
	}
	return entities
}

// leaf returns the schema of the types that reflection alone does not understand, nil for the others.
func leaf(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[Raw]():
		return &jsonschema.Schema{Extras: map[string]any{"type": []string{"object", "array", "string", "number", "boolean", "null"}}}
	case reflect.TypeFor[Number]():
		return &jsonschema.Schema{Extras: map[string]any{"type": []string{"number", "string", "null"}}}
	case reflect.TypeFor[Instant]():
		return &jsonschema.Schema{Extras: map[string]any{"type": []string{"string", "null"}}, Format: "date-time"}
	case reflect.TypeFor[uint32](), reflect.TypeFor[uint64]():
		return &jsonschema.Schema{Type: "integer", Minimum: "0"}
	case reflect.TypeFor[Stage]():
		return words(S1, S2)
	case reflect.TypeFor[Quality]():
		return words(Embedded, AssumedUTC, CommitTime)
	case reflect.TypeFor[Op]():
		return words(OpInsert, OpUpdate, OpDelete, OpTruncate, OpBaseline, OpReconcile)
	case reflect.TypeFor[Flag](): // open: a later version may flag more
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{words(flags()...), {Type: "string"}}}
	}
	return nil
}

func words[T ~string](values ...T) *jsonschema.Schema {
	schema := &jsonschema.Schema{Type: "string"}
	for _, v := range values {
		schema.Enum = append(schema.Enum, v)
	}
	return schema
}

func flags() []Flag {
	return []Flag{NaiveTimestamp, FutureTimestamp, PriceAbsent, PriceZero, SRLevelPriceAbsent, NoPoolChange, FieldsDefaulted,
		DXArmMissing, SkippedSteps, DoubleEncoded, IneffectiveBook, UnseenValue, PoolWithoutSell, BaselineIncomplete, RawTruncated,
		Amended, TextTruncated, TokensLeft, MaybeLeftover}
}

// recordedExamples returns the first recorded event of each type.
func recordedExamples() map[Type]json.RawMessage {
	examples := make(map[Type]json.RawMessage)
	for _, line := range append(recorded(), linesOf("testdata/adopted.jsonl")...) {
		var event struct{ Type Type }
		must(0, json.Unmarshal(line, &event))
		if examples[event.Type] == nil {
			examples[event.Type] = line
		}
	}
	return examples
}

// recorded returns the recorded events of one source, one a line.
func recorded() [][]byte { return linesOf("testdata/events.jsonl") }

func linesOf(path string) [][]byte {
	return bytes.Split(bytes.TrimSpace(must(os.ReadFile(path))), []byte("\n"))
}

// describedEverywhere fails for a property without a description.
func describedEverywhere(t *testing.T, path string, schema *jsonschema.Schema) {
	t.Helper()
	if schema.Description == "" {
		t.Errorf("%s has no description: write a comment behind its field", path)
	}
	if schema.Properties == nil {
		return
	}
	for name, property := range schema.Properties.FromOldest() {
		describedEverywhere(t, path+"."+name, property)
	}
}
