package schemas

import (
	"embed"
	"fmt"
)

//go:embed v1/*.json
var files embed.FS

// Schema returns the JSON Schema (draft 2020-12) of a type's events in structured form. A type that is not of this
// contract is an error.
func Schema(t Type) ([]byte, error) {
	schema, err := files.ReadFile("v1/" + t.Name() + ".json")
	if err != nil {
		return nil, fmt.Errorf("find schema of %q: %w", t, err)
	}
	return schema, nil
}
