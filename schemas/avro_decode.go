package schemas

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends an event in CloudEvents' structured JSON form that was encoded with the schema of this codec.
func (c *AvroCodec) AppendJSON(dst, event []byte) ([]byte, error) {
	d := avroDecoder{rest: event, out: object{dst: dst}}
	d.event(c.root)
	if d.err == nil && len(d.rest) > 0 {
		d.err = fmt.Errorf("unexpected %d bytes left", len(d.rest))
	}
	if d.err != nil {
		return dst, fmt.Errorf("decode event from Avro: %w, at byte %d: %w", ErrNotEvent, len(event)-len(d.rest), d.err)
	}
	return d.out.dst, nil
}

var errAvroShort = errors.New("it ends early, or a length is wrong")

// avroDecoder reads an event; err stays set after the first failure.
type avroDecoder struct {
	rest []byte
	out  object
	err  error
}

func (d *avroDecoder) fail(err error) {
	if d.err == nil {
		d.err, d.rest = err, nil
	}
}

func (d *avroDecoder) long() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail(errAvroShort)
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *avroDecoder) text() []byte {
	n := d.long()
	if n < 0 || n > int64(len(d.rest)) {
		d.fail(errAvroShort)
		return nil
	}
	text := d.rest[:n]
	d.rest = d.rest[n:]
	if !utf8.Valid(text) {
		d.fail(errors.New("a string is not UTF-8"))
	}
	return text
}

func (d *avroDecoder) value(of *avroNode) {
	if of.nullable {
		switch branch := d.long(); branch {
		case 0:
			d.out.null()
			return
		case 1:
		default:
			d.fail(fmt.Errorf("branch %d of a union of two", branch))
		}
	}
	if d.err != nil {
		return
	}
	switch of.kind {
	case avroString:
		d.out.dst = appendString(d.out.dst, string(d.text()))
	case avroNumber:
		d.out.numberValue(Number(d.text()))
	case avroJSON:
		d.json()
	case avroBoolean:
		d.boolean()
	case avroLong:
		d.out.dst = strconv.AppendInt(d.out.dst, d.long(), 10)
	case avroArray:
		d.array(of.inner[0])
	case avroRecord:
		d.record(of)
	case avroChoice:
		d.choice(of)
	}
}

func (d *avroDecoder) json() {
	text := d.text()
	if d.err == nil && !json.Valid(text) {
		d.fail(fmt.Errorf("%.40q is no JSON value", text))
	}
	d.out.dst = append(d.out.dst, text...)
}

func (d *avroDecoder) boolean() {
	if len(d.rest) == 0 || d.rest[0] > 1 {
		d.fail(errAvroShort)
		return
	}
	d.out.dst = strconv.AppendBool(d.out.dst, d.rest[0] == 1)
	d.rest = d.rest[1:]
}

// array reads blocks until an empty one. A block with a negative count has its size in bytes behind it.
func (d *avroDecoder) array(of *avroNode) {
	d.out.dst = append(d.out.dst, '[')
	for n, done := d.block(), int64(0); d.err == nil && n > 0; n, done = d.block(), done+n {
		for i := int64(0); i < n && d.err == nil; i++ {
			if done+i > 0 {
				d.out.dst = append(d.out.dst, ',')
			}
			d.value(of)
		}
	}
	d.out.dst = append(d.out.dst, ']')
}

// block returns how many elements come next. None is encoded in no bytes, which bounds the work.
func (d *avroDecoder) block() int64 {
	n := d.long()
	if n < 0 {
		d.long()
		n = -n
	}
	if n < 0 || n > int64(len(d.rest)) {
		d.fail(errAvroShort)
		return 0
	}
	return n
}

// event reads the whole. Of its attributes one that is null is absent, as CloudEvents has it; in data null is written.
func (d *avroDecoder) event(of *avroNode) {
	d.fields(of, func(f *avroField) bool { return f.of.nullable && d.cutNull() })
}

func (d *avroDecoder) record(of *avroNode) {
	d.fields(of, func(*avroField) bool { return false })
}

func (d *avroDecoder) fields(of *avroNode, absent func(*avroField) bool) {
	in := object{dst: append(d.out.dst, '{'), first: true}
	for i := range of.fields {
		if absent(&of.fields[i]) {
			continue
		}
		in.name(of.fields[i].name)
		d.out.dst = in.dst
		d.value(of.fields[i].of)
		in.dst = d.out.dst
	}
	d.out.dst = in.end()
}

// cutNull takes the branch of a union that is null off the front.
func (d *avroDecoder) cutNull() bool {
	if len(d.rest) == 0 || d.rest[0] != 0 {
		return false
	}
	d.rest = d.rest[1:]
	return true
}

func (d *avroDecoder) choice(of *avroNode) {
	branch := d.long()
	if branch < 0 || branch >= int64(len(of.inner)) {
		d.fail(fmt.Errorf("branch %d of a union of %d", branch, len(of.inner)))
		return
	}
	d.record(of.inner[branch])
}
