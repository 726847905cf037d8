// Package schematest checks events against their JSON Schemas, in tests.
package schematest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"lowcap-cdc/schemas"
)

var compiled sync.Map // compiling takes longer than checking

// Validate fails the test when an event is not one line, or does not fit the schema of its type.
func Validate(t testing.TB, event []byte) {
	t.Helper()
	if bytes.ContainsAny(event, "\r\n") {
		t.Fatalf("event is not one line: %s", event)
	}
	var envelope struct{ Type schemas.Type }
	if err := json.Unmarshal(event, &envelope); err != nil {
		t.Fatalf("%v: %s", err, event)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
	if err != nil {
		t.Fatalf("%v: %s", err, event)
	}
	if err := schema(t, envelope.Type).Validate(value); err != nil {
		t.Fatalf("%v: %s", err, event)
	}
}

func schema(t testing.TB, of schemas.Type) *jsonschema.Schema {
	t.Helper()
	if s, ok := compiled.Load(of); ok {
		return s.(*jsonschema.Schema)
	}
	source, err := schemas.Schema(of)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(source)))
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(document)
	c := jsonschema.NewCompiler()
	if err := c.AddResource(of.DataSchema(), document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(of.DataSchema())
	if err != nil {
		t.Fatal(err)
	}
	compiled.Store(of, s)
	return s
}

// closeObjects makes a schema as strict as the producer is. What is published is open, so that a consumer with an older
// copy accepts new fields and flags; here a field or flag without a schema is a bug.
func closeObjects(node any) {
	switch node := node.(type) {
	case map[string]any:
		if node["properties"] != nil {
			node["additionalProperties"] = false
		}
		if choices, ok := node["anyOf"].([]any); ok {
			node["anyOf"] = slices.DeleteFunc(choices, isAnyString)
		}
		for name, child := range node {
			if name != "examples" {
				closeObjects(child)
			}
		}
	case []any:
		for _, child := range node {
			closeObjects(child)
		}
	}
}

func isAnyString(choice any) bool {
	return reflect.DeepEqual(choice, map[string]any{"type": "string"})
}
