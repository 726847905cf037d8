package schemas

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// avroGenerator makes Avro schemas by reflection. The order of the fields is that of the JSON, so that one can be made
// from the other in one pass, byte for byte.
type avroGenerator struct {
	*generator
	defined map[string]bool // records of this schema: a name is defined once and then referred to
}

type recordSchema struct {
	Type      string        `json:"type"`
	Name      string        `json:"name"`
	Namespace string        `json:"namespace,omitempty"`
	Doc       string        `json:"doc,omitempty"`
	Fields    []fieldSchema `json:"fields"`
}

type fieldSchema struct {
	Name    string          `json:"name"`
	Doc     string          `json:"doc,omitempty"`
	Type    any             `json:"type"`
	Default json.RawMessage `json:"default,omitempty"`
}

type logicalSchema struct {
	Type    string `json:"type"`
	Logical string `json:"logicalType"`
}

type arraySchema struct {
	Type  string `json:"type"`
	Items any    `json:"items"`
}

// event returns the schema of a type's events.
func (g *avroGenerator) event(kind Kind) recordSchema {
	g.defined = make(map[string]bool)
	data := kind.New()
	data.Head().Origin.Session = &Session{} // null has no fields to name
	zero := gjson.ParseBytes(AppendEvent(nil, allAttributes(kind.Type), data))
	of := reflect.TypeOf(data).Elem()
	event := g.record(of.Name(), g.LookupComment(of, ""), zero, reflect.TypeFor[envelope]())
	event.Namespace = "lowcap.v1"
	event.Doc = strings.Replace(event.Doc, of.Name(), kind.Type.Name(), 1)
	body := g.record(of.Name()+"Data", "", zero.Get("data"), of)
	for i := range body.Fields {
		if body.Fields[i].Name == "entity" {
			body.Fields[i].Type = g.entity(kind)
		}
	}
	event.Fields = append(event.Fields, fieldSchema{Name: "data", Doc: "what happened", Type: body})
	return event
}

// allAttributes returns attributes none of which is empty: one that is may be left out of the JSON.
func allAttributes(of Type) *Attributes {
	a := &Attributes{}
	for v, i := reflect.ValueOf(a).Elem(), 0; i < v.NumField(); i++ {
		if field := v.Field(i); field.CanUint() {
			field.SetUint(1)
		} else {
			field.SetString("x")
		}
	}
	a.Type = of
	return a
}

// record takes the names and their order from a JSON object and the rest from the struct that it was made of. The data
// of an event is another record.
func (g *avroGenerator) record(name, doc string, object gjson.Result, of reflect.Type) recordSchema {
	g.defined[name] = true
	record := recordSchema{Type: "record", Name: name, Doc: doc}
	object.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "data" && of == reflect.TypeFor[envelope]() {
			return true
		}
		record.Fields = append(record.Fields, g.field(key.Str, value, of))
		return true
	})
	return record
}

func (g *avroGenerator) field(name string, value gjson.Result, of reflect.Type) fieldSchema {
	owner, field := fieldNamed(of, name)
	made := fieldSchema{Name: name, Doc: g.LookupComment(owner, field.Name)}
	made.Type, made.Default = g.typeOf(value, field.Type)
	options := strings.Split(field.Tag.Get("json"), ",")[1:]
	if slices.Contains(options, "string") {
		made.Type = "string"
	}
	if slices.Contains(options, "omitempty") { // an attribute that may be absent is null
		made.Type, made.Default = []any{"null", made.Type}, json.RawMessage("null")
	}
	if owner == reflect.TypeFor[envelope]() {
		made.Doc = strings.TrimPrefix(strings.Split(field.Tag.Get("jsonschema"), ",")[0], "description=")
		made.Doc = strings.Replace(made.Doc, "this schema", "the type's JSON Schema", 1)
	}
	return made
}

// fieldNamed finds the field with a JSON name, and the struct that it stands in.
func fieldNamed(of reflect.Type, name string) (owner reflect.Type, field reflect.StructField) {
	for i := range of.NumField() {
		field = of.Field(i)
		if tag, _, _ := strings.Cut(field.Tag.Get("json"), ","); tag == name {
			return of, field
		}
		if field.Anonymous {
			if owner, inner := fieldNamed(field.Type, name); owner != nil {
				return owner, inner
			}
		}
	}
	return nil, field
}

// typeOf returns a field's type and default. Every field but data and entity has a default, so that a field may be added
// or left out later and readers of both schemas read both kinds of record.
func (g *avroGenerator) typeOf(value gjson.Result, of reflect.Type) (schema any, fallback json.RawMessage) {
	null := func(schema any) (any, json.RawMessage) { return []any{"null", schema}, json.RawMessage("null") }
	switch of {
	case reflect.TypeFor[Raw]():
		return null(logicalSchema{"string", "json"})
	case reflect.TypeFor[Number]():
		return null(logicalSchema{"string", "decimal-text"})
	case reflect.TypeFor[Instant]():
		return null("string")
	}
	switch of.Kind() {
	case reflect.Pointer:
		inner, _ := g.typeOf(value, of.Elem())
		return null(inner)
	case reflect.Slice:
		inner, _ := g.typeOf(value, of.Elem())
		return arraySchema{"array", inner}, json.RawMessage("[]")
	case reflect.Struct:
		return g.named(value, of), g.initial(value, of)
	case reflect.Bool:
		return "boolean", json.RawMessage("false")
	case reflect.Int, reflect.Uint32, reflect.Uint64:
		return "long", json.RawMessage("0")
	case reflect.Interface: // the entity, which depends on the type of the event
		return nil, nil
	}
	return "string", json.RawMessage(`""`)
}

// initial returns the default of a record: an object with its fields' defaults.
func (g *avroGenerator) initial(value gjson.Result, of reflect.Type) json.RawMessage {
	text := []byte{'{'}
	value.ForEach(func(key, value gjson.Result) bool {
		field := g.field(key.Str, value, of)
		text = fmt.Appendf(text, "%q:%s,", key.Str, field.Default)
		return true
	})
	text[len(text)-1] = '}'
	return text
}

// named returns the record of a struct, or its name where the schema has defined it already.
func (g *avroGenerator) named(value gjson.Result, of reflect.Type) any {
	name, parameter, generic := strings.Cut(of.Name(), "[")
	doc := g.LookupComment(of, "")
	if generic {
		name += strings.TrimSuffix(parameter[strings.LastIndex(parameter, ".")+1:], "]")
	}
	if g.defined[name] {
		return name
	}
	return g.record(name, doc, value, of)
}

// entity returns the record of a type's entity, a union where there are several.
func (g *avroGenerator) entity(kind Kind) any {
	var union []any
	for _, entity := range entitiesOf(kind.Type) {
		of := reflect.TypeOf(entity).Elem()
		o := beginObject(nil)
		o.entity("entity", reflect.Zero(of).Interface().(Entity))
		union = append(union, g.named(gjson.ParseBytes(o.end()).Get("entity"), of))
	}
	if len(union) == 1 {
		return union[0]
	}
	return union
}
