package schemas

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed v1/*.json avro/v1/*.avsc
var embedded embed.FS

// files holds the schemas. A test run that writes them anew reads them from the disk.
var files fs.FS = embedded

// Schema returns the JSON Schema (draft 2020-12) of a type's events in structured form. A type that is not of this
// contract is an error.
func Schema(t Type) ([]byte, error) {
	schema, err := fs.ReadFile(files, "v1/"+t.Name()+".json")
	if err != nil {
		return nil, fmt.Errorf("find schema of %q: %w", t, err)
	}
	return schema, nil
}
