package schemas

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Append appends the Avro encoding of an event that AppendEvent has written: its fields come in the schema's order. A
// field that the event lacks, because it is older than the schema, gets its default; one that the schema lacks is an
// error, as is everything else that would be lost.
func (c *AvroCodec) Append(dst, event []byte) ([]byte, error) {
	e := avroEncoder{dst: dst, rest: event}
	e.value(c.root)
	if e.err == nil && len(e.rest) > 0 {
		e.err = fmt.Errorf("unexpected %d bytes left", len(e.rest))
	}
	if e.err != nil {
		return dst, fmt.Errorf("encode event as Avro: %w, at byte %d: %w", ErrContract, len(event)-len(e.rest), e.err)
	}
	return e.dst, nil
}

// avroEncoder goes through an event once; err stays set after the first failure.
type avroEncoder struct {
	dst  []byte
	rest []byte // of the JSON
	err  error
}

func (e *avroEncoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// cut takes a text off the front.
func (e *avroEncoder) cut(text string) bool {
	if e.err != nil || len(e.rest) < len(text) || string(e.rest[:len(text)]) != text {
		return false
	}
	e.rest = e.rest[len(text):]
	return true
}

func (e *avroEncoder) long(n int64) { e.dst = binary.AppendVarint(e.dst, n) }

func (e *avroEncoder) text(text []byte) {
	e.long(int64(len(text)))
	e.dst = append(e.dst, text...)
}

func (e *avroEncoder) value(of *avroNode) {
	if of.nullable {
		if e.cut("null") {
			e.long(0)
			return
		}
		e.long(1)
	}
	switch of.kind {
	case avroString:
		e.string()
	case avroNumber:
		e.number()
	case avroJSON:
		e.text(e.raw())
	case avroBoolean:
		e.boolean()
	case avroLong:
		e.integer()
	case avroArray:
		e.array(of.inner[0])
	case avroRecord:
		e.record(of)
	case avroChoice:
		e.choice(of)
	}
}

// string takes a JSON string and writes what it says.
func (e *avroEncoder) string() {
	quoted := e.raw()
	if e.err != nil || len(quoted) < 2 || quoted[0] != '"' {
		e.fail("%.20q is no string", quoted)
		return
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		e.text(quoted[1 : len(quoted)-1])
		return
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		e.fail("%w", err)
	}
	e.text([]byte(text))
}

// number writes a number's digits. A string holds what JSON has no number for, e.g. NaN.
func (e *avroEncoder) number() {
	if len(e.rest) > 0 && e.rest[0] == '"' {
		e.string()
		return
	}
	digits := e.raw()
	if e.err == nil && (len(digits) == 0 || !isNumber(string(digits))) {
		e.fail("%.20q is no number", digits)
	}
	e.text(digits)
}

func (e *avroEncoder) boolean() {
	switch {
	case e.cut("true"):
		e.dst = append(e.dst, 1)
	case e.cut("false"):
		e.dst = append(e.dst, 0)
	default:
		e.fail("%.20q is no boolean", e.rest)
	}
}

func (e *avroEncoder) integer() {
	digits := e.raw()
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		e.fail("%.20q is no integer of 64 bits", digits)
	}
	e.long(n)
}

// array writes one block, whose length stands in front, and the empty one that ends an array.
func (e *avroEncoder) array(of *avroNode) {
	if !e.cut("[") {
		e.fail("%.20q is no array", e.rest)
		return
	}
	behind, n := avroEncoder{rest: e.rest}, int64(0)
	for e.err == nil && !behind.cut("]") {
		if n > 0 && !behind.cut(",") {
			e.fail("%.20q where an array goes on", behind.rest)
		}
		behind.value(of)
		n++
		if behind.err != nil {
			e.fail("%w", behind.err)
		}
	}
	if n > 0 {
		e.long(n)
		e.dst = append(e.dst, behind.dst...)
	}
	e.long(0)
	e.rest = behind.rest
}

func (e *avroEncoder) record(of *avroNode) {
	if !e.cut("{") {
		e.fail("%.20q is no object", e.rest)
		return
	}
	first := true
	for i := range of.fields {
		e.field(&of.fields[i], &first)
	}
	if !e.cut("}") {
		e.fail("%.40q is a field that the schema does not have there", e.rest)
	}
}

// field writes the field that comes next, or its default when another one comes.
func (e *avroEncoder) field(f *avroField, first *bool) {
	before := e.rest
	if (*first || e.cut(",")) && e.cut(`"`) && e.cut(f.name) && e.cut(`":`) {
		*first = false
		e.value(f.of)
		return
	}
	e.rest = before
	if e.err != nil || f.initial == nil {
		e.fail("%s is missing before %.40q", f.name, before)
		return
	}
	initial := avroEncoder{dst: e.dst, rest: f.initial}
	initial.value(f.of)
	e.dst, e.err = initial.dst, initial.err
}

// choice takes the first record whose first field is the object's.
func (e *avroEncoder) choice(of *avroNode) {
	for i, branch := range of.inner {
		if len(branch.fields) > 0 && strings.HasPrefix(string(e.rest[:min(len(e.rest), 80)]), `{"`+branch.fields[0].name+`":`) {
			e.long(int64(i))
			e.record(branch)
			return
		}
	}
	e.fail("%.40q is none of the entities that the schema has there", e.rest)
}

// raw takes the next value as it is, up to the comma or bracket that ends it.
func (e *avroEncoder) raw() []byte {
	depth := 0
	for i := 0; i < len(e.rest); i++ {
		switch e.rest[i] {
		case '"':
			i += stringEnd(e.rest[i:])
		case '{', '[':
			depth++
		case '}', ']', ',':
			if depth == 0 {
				return e.take(i)
			}
			if e.rest[i] != ',' {
				depth--
			}
		}
	}
	return e.take(len(e.rest))
}

func (e *avroEncoder) take(n int) []byte {
	value := e.rest[:n]
	e.rest = e.rest[n:]
	if n == 0 {
		e.fail("a value is missing")
	}
	return value
}

// stringEnd returns the place of the quote that ends the string which text begins with.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text)
}
