package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// AvroSchema returns the Avro schema of a type's events: the CloudEvents attributes and data, with the names and the order
// that they have in structured JSON. A type that is not of this contract is an error.
func AvroSchema(t Type) ([]byte, error) {
	schema, err := fs.ReadFile(files, "avro/v1/"+t.Name()+".avsc")
	if err != nil {
		return nil, fmt.Errorf("find Avro schema of %q: %w", t, err)
	}
	return schema, nil
}

// AvroCodec turns events from structured JSON into Avro and back. Nothing is lost on the way: what was written as JSON
// by AppendEvent comes back with the same bytes. It is safe for concurrent use.
type AvroCodec struct{ root *avroNode }

// avroNode is a type of an Avro schema.
type avroNode struct {
	kind     avroKind
	nullable bool        // a union of null and this
	fields   []avroField // of a record
	inner    []*avroNode // the type of an array's elements, or the records of a union
}

type avroField struct {
	name    string
	initial json.RawMessage // its default; nil for a field that must be there
	of      *avroNode
}

type avroKind uint8

const (
	avroString  avroKind = iota
	avroNumber           // a string with a JSON number's digits, or a word that JSON has no number for
	avroJSON             // a string with a JSON value
	avroBoolean          //
	avroLong             //
	avroArray            //
	avroRecord           //
	avroChoice           // a union of records, which their fields' names tell apart
)

// The names of the types that events need. A schema with another one was made for something else.
func avroScalar(name, logical string) (avroKind, bool) {
	switch name + ":" + logical {
	case "string:json":
		return avroJSON, true
	case "string:decimal-text":
		return avroNumber, true
	}
	kind, ok := map[string]avroKind{"string": avroString, "boolean": avroBoolean, "long": avroLong}[name]
	return kind, ok
}

var errAvroSchema = errors.New("not an Avro schema of an event")

// NewAvroCodec reads an Avro schema: what AvroSchema returns, or what a schema registry has kept of a later version.
func NewAvroCodec(schema []byte) (*AvroCodec, error) {
	p := avroParser{records: make(map[string]*avroNode)}
	root, err := p.parse(schema)
	if err != nil {
		return nil, fmt.Errorf("read Avro schema: %w", err)
	}
	if root.kind != avroRecord || root.nullable {
		return nil, fmt.Errorf("read Avro schema: %w: it is no record", errAvroSchema)
	}
	return &AvroCodec{root}, nil
}
