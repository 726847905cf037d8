package schemas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// avroParser reads schemas. A record can be referred to only when it is complete, so that none contains itself and
// decoding comes to an end.
type avroParser struct {
	namespace string
	records   map[string]*avroNode // by full name
}

// avroDefinition is a type that is written as an object.
type avroDefinition struct {
	Type        json.RawMessage
	LogicalType string
	Name        string
	Namespace   string
	Items       json.RawMessage
	Fields      []struct {
		Name    string
		Type    json.RawMessage
		Default json.RawMessage
	}
}

// parse reads a type: a name, a union, or an object.
func (p *avroParser) parse(text json.RawMessage) (*avroNode, error) {
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("%w: a type is missing", errAvroSchema)
	case text[0] == '[':
		return p.union(text)
	case text[0] == '"':
		var name string
		if err := json.Unmarshal(text, &name); err != nil {
			return nil, err
		}
		return p.named(name, "")
	}
	var d avroDefinition
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", errAvroSchema, err)
	}
	switch string(d.Type) {
	case `"record"`:
		return p.record(&d)
	case `"array"`:
		items, err := p.parse(d.Items)
		return &avroNode{kind: avroArray, inner: []*avroNode{items}}, err
	}
	var name string
	if json.Unmarshal(d.Type, &name) != nil { // a type in an object of its own
		return p.parse(d.Type)
	}
	return p.named(name, d.LogicalType)
}

// named returns the scalar or the record of that name.
func (p *avroParser) named(name, logical string) (*avroNode, error) {
	if kind, ok := avroScalar(name, logical); ok {
		return &avroNode{kind: kind}, nil
	}
	if record := p.records[p.fullName(name, "")]; record != nil {
		return record, nil
	}
	return nil, fmt.Errorf("%w: no event has the type %q", errAvroSchema, name)
}

func (p *avroParser) fullName(name, namespace string) string {
	if strings.Contains(name, ".") {
		return name
	}
	if namespace == "" {
		namespace = p.namespace
	}
	return namespace + "." + name
}

func (p *avroParser) record(d *avroDefinition) (*avroNode, error) {
	full := p.fullName(d.Name, d.Namespace)
	outside := p.namespace
	defer func() { p.namespace = outside }()
	p.namespace = full[:strings.LastIndex(full, ".")]
	record := &avroNode{kind: avroRecord}
	for _, f := range d.Fields {
		of, err := p.parse(f.Type)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", full, f.Name, err)
		}
		record.fields = append(record.fields, avroField{name: f.Name, initial: compact(f.Default), of: of})
	}
	p.records[full] = record
	return record, nil
}

// compact returns a JSON text without the blanks between its tokens, nil for none.
func compact(text json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if len(text) == 0 || json.Compact(&b, text) != nil {
		return nil
	}
	return b.Bytes()
}

// union reads null and another type, or several records.
func (p *avroParser) union(text json.RawMessage) (*avroNode, error) {
	var branches []json.RawMessage
	if err := json.Unmarshal(text, &branches); err != nil {
		return nil, fmt.Errorf("%w: %w", errAvroSchema, err)
	}
	if len(branches) == 2 && string(branches[0]) == `"null"` {
		of, err := p.parse(branches[1])
		if err != nil {
			return nil, err
		}
		nullable := *of
		nullable.nullable = true
		return &nullable, nil
	}
	choice := &avroNode{kind: avroChoice}
	for _, branch := range branches {
		of, err := p.parse(branch)
		if err != nil {
			return nil, err
		}
		if of.kind != avroRecord || of.nullable {
			return nil, fmt.Errorf("%w: no event has the union %s", errAvroSchema, text)
		}
		choice.inner = append(choice.inner, of)
	}
	return choice, nil
}
