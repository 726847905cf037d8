package schemas

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the schemas anew from the types") //nolint:gochecknoglobals // a flag

// TestSchemasMatchTypes generates the schema of every type and compares it with the file: the types are the source.
func TestSchemasMatchTypes(t *testing.T) {
	docs := readDocs(t)
	for _, kind := range Kinds() {
		schema, err := json.MarshalIndent(eventSchema(kind, docs), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("v1", kind.Type.Name()+".json")
		schema = append(schema, '\n')
		if *update {
			if err := os.WriteFile(path, schema, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, schema) {
			t.Errorf("%s differs from its type (%v); run: go test ./schemas -update", path, err)
		}
	}
}

type jsonObject = map[string]any

func eventSchema(kind Kind, docs map[string]string) jsonObject {
	text := jsonObject{"type": "string"}
	data := reflect.TypeOf(kind.New()).Elem()
	properties := jsonObject{
		"specversion": jsonObject{"const": "1.0"}, "id": text, "source": text, "type": jsonObject{"const": kind.Type}, "subject": text,
		"time": jsonObject{"type": "string", "format": "date-time"}, "datacontenttype": jsonObject{"const": "application/json"},
		"dataschema": jsonObject{"const": kind.Type.DataSchema()}, "partitionkey": text,
		"sequence": jsonObject{"type": "string", "pattern": "^[0-9A-F]{32}$"}, "severity": jsonObject{"const": kind.Severity},
		"data": closed(dataProperties(kind, data, docs)),
	}
	schema := closed(properties)
	schema["$schema"], schema["$id"] = "https://json-schema.org/draft/2020-12/schema", kind.Type.DataSchema()
	schema["title"], schema["description"] = kind.Type.Name(), docs[data.Name()]
	return schema
}

// closed is an object of which every property is there and no other.
func closed(properties jsonObject) jsonObject {
	required := []string{}
	for name := range properties {
		required = append(required, name)
	}
	slices.Sort(required)
	return jsonObject{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func dataProperties(kind Kind, data reflect.Type, docs map[string]string) jsonObject {
	properties := jsonObject{}
	for i := range data.NumField() {
		f := data.Field(i)
		name := f.Tag.Get("json")
		switch {
		case f.Anonymous:
			for name, p := range dataProperties(kind, f.Type, docs) {
				properties[name] = p
			}
		case name == "entity":
			properties[name] = entitySchema(kind, docs)
		default:
			p := valueSchema(f.Type, docs)
			if doc := docs[data.Name()+"."+f.Name]; doc != "" {
				p["description"] = doc
			}
			if values := closedWords(kind, name); values != nil {
				p["enum"] = values
			}
			properties[name] = p
		}
	}
	return properties
}

// closedWords returns the values that the contract allows in a field; words of the source stay open.
func closedWords(kind Kind, field string) []string {
	switch kind.Type.Name() + " " + field {
	case "trim_pool.opened cause", "trim_pool.increased cause", "trim_pool.replaced cause":
		return []string{"trim", "emergency_exit", "unknown"}
	case "emergency_exit.executed kind":
		return []string{"ema333_break", "structural"}
	case "execution.buy_recorded slot":
		return []string{"s1", "s2", "s3", "reclaim"}
	case "entry_block.cleared trigger":
		return []string{"success", "manual"}
	case "entry_block.set trigger", "entry_block.refreshed trigger":
		return []string{"s1_failure", "s2_failure", "s1_and_s2_failure", "manual"}
	case "trim_pool.closed reason":
		return []string{"s2_dip_buy", "s2_entry_new_trade", "dx_ladder_complete", "unknown"}
	}
	return nil
}

func entitySchema(kind Kind, docs map[string]string) jsonObject {
	entity := func(e Entity) jsonObject {
		return closed(dataProperties(Kind{Type: "lowcap..v1"}, reflect.TypeOf(e), docs))
	}
	switch {
	case kind.Topic == EntryBlocks:
		return entity(Block{})
	case kind.Type.Name() == "history.malformed":
		return jsonObject{"anyOf": []any{entity(Position{}), entity(Block{})}}
	case strings.HasPrefix(kind.Type.Name(), "table."):
		return entity(Table{})
	case strings.HasPrefix(kind.Type.Name(), "stream."):
		return entity(Stream{})
	}
	return entity(Position{})
}

func valueSchema(t reflect.Type, docs map[string]string) jsonObject {
	switch t {
	case reflect.TypeFor[Raw]():
		return jsonObject{}
	case reflect.TypeFor[Number]():
		return jsonObject{"type": []string{"number", "string", "null"}}
	case reflect.TypeFor[Instant](), reflect.TypeFor[Text]():
		return jsonObject{"type": []string{"string", "null"}}
	case reflect.TypeFor[Stage]():
		return jsonObject{"enum": []Stage{S1, S2}}
	case reflect.TypeFor[Quality]():
		return jsonObject{"enum": []Quality{Embedded, AssumedUTC, CommitTime}}
	case reflect.TypeFor[Origin]():
		return closed(dataProperties(Kind{Type: "lowcap..v1"}, t, docs))
	case reflect.TypeFor[Flag]():
		return jsonObject{"enum": flags()}
	case reflect.TypeFor[Op]():
		return jsonObject{"enum": []Op{OpInsert, OpUpdate, OpDelete, OpTruncate, OpBaseline, OpReconcile}}
	}
	switch t.Kind() {
	case reflect.Bool:
		return jsonObject{"type": "boolean"}
	case reflect.Pointer:
		return jsonObject{"type": []string{"boolean", "null"}}
	case reflect.Uint32, reflect.Uint64:
		return jsonObject{"type": "integer", "minimum": 0}
	case reflect.Slice:
		return jsonObject{"type": "array", "items": valueSchema(t.Elem(), docs)}
	case reflect.Struct:
		return closed(dataProperties(Kind{Type: "lowcap..v1"}, t, docs))
	}
	return jsonObject{"type": "string"}
}

func flags() []Flag {
	return []Flag{NaiveTimestamp, FutureTimestamp, PriceAbsent, PriceZero, SRLevelPriceAbsent, NoPoolChange, FieldsDefaulted,
		DXArmMissing, SkippedSteps, DoubleEncoded, IneffectiveBook, UnseenValue, PoolWithoutSell, BaselineIncomplete, RawTruncated}
}

// readDocs reads the comments of the types and their fields: they are the descriptions.
func readDocs(t *testing.T) map[string]string {
	t.Helper()
	docs := make(map[string]string)
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if decl, ok := n.(*ast.GenDecl); ok && decl.Tok == token.TYPE {
				for _, spec := range decl.Specs {
					describe(docs, decl, spec.(*ast.TypeSpec))
				}
			}
			return true
		})
	}
	return docs
}

func describe(docs map[string]string, decl *ast.GenDecl, spec *ast.TypeSpec) {
	docs[spec.Name.Name] = strings.Join(strings.Fields(decl.Doc.Text()), " ")
	fields, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			docs[spec.Name.Name+"."+name.Name] = strings.TrimSpace(f.Comment.Text())
		}
	}
}
