package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// Format says how the value of an event's record is written.
type Format string

// The formats of a value. Those that are not CloudEventsJSON need a schema registry and have Confluent's wire format: a
// zero, the schema's id in four bytes, and the event.
const (
	CloudEventsJSON Format = "cloudevents-json" // structured JSON; the zero Format means this too
	JSONSchema      Format = "json-schema"      // the same JSON
	Avro            Format = "avro"             // the same attributes and data in Avro
)

func (f Format) needsRegistry() bool { return f == JSONSchema || f == Avro }

// contentType returns what the records' header of that name says. Only plain JSON is what CloudEvents calls structured.
func (f Format) contentType() string {
	if f.needsRegistry() {
		return "application/vnd.lowcap-cdc." + string(f)
	}
	return "application/cloudevents+json"
}

const (
	frameMagic  = 0
	frameLength = 5 // of what stands before the event
)

// framer writes values in Confluent's wire format and keeps its memory from one batch to the next.
type framer struct {
	ids    map[schemas.Type]int
	codecs map[schemas.Type]*schemas.AvroCodec // nil for JSON
	buffer []byte
}

func newFramer(format Format, ids map[schemas.Type]int) (*framer, error) {
	f := &framer{ids: ids}
	if format != Avro {
		return f, nil
	}
	f.codecs = make(map[schemas.Type]*schemas.AvroCodec)
	for t := range ids {
		schema, err := schemas.AvroSchema(t)
		if err != nil {
			return nil, err
		}
		if f.codecs[t], err = schemas.NewAvroCodec(schema); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// value returns an event's value, valid until the buffer is emptied. A type without a registered schema is an error: its
// records could not be read.
func (f *framer) value(e *cdc.Event) ([]byte, error) {
	id, registered := f.ids[e.Type]
	if !registered {
		return nil, &sink.ClusterError{Err: fmt.Errorf("event %s: type %s has no registered schema", e.ID, e.Type),
			Repair: "use the version of lowcap-cdc that wrote it, or --value-format cloudevents-json"}
	}
	start := len(f.buffer)
	f.buffer = binary.BigEndian.AppendUint32(append(f.buffer, frameMagic), uint32(id))
	if f.codecs == nil {
		f.buffer = append(f.buffer, e.Value...)
		return f.buffer[start:len(f.buffer):len(f.buffer)], nil
	}
	var err error
	if f.buffer, err = f.codecs[e.Type].Append(f.buffer, e.Value); err != nil {
		return nil, fmt.Errorf("event %s: %w", e.ID, err)
	}
	return f.buffer[start:len(f.buffer):len(f.buffer)], nil
}

// unwrap makes a record's value its event in structured JSON, whatever the format it was written in.
func (k *Sink) unwrap(ctx context.Context, r *sink.Stored) (err error) {
	if r.Value, err = k.unframe(ctx, r.Value); err != nil {
		return fmt.Errorf("offset %d: %w", r.Offset, err)
	}
	return nil
}

// unframe tells the formats apart. Avro begins with the length of a string, which is an even byte, so that it never looks
// like JSON.
func (k *Sink) unframe(ctx context.Context, value []byte) ([]byte, error) {
	if len(value) <= frameLength || value[0] != frameMagic {
		return value, nil
	}
	body := value[frameLength:]
	if body[0] == '{' {
		return body, nil
	}
	if k.config.Registry == nil {
		return nil, &sink.ClusterError{Err: errors.New("the record is in Avro"),
			Repair: "set --schema-registry to the registry that has its schema"}
	}
	codec, err := k.config.Registry.codec(ctx, int(binary.BigEndian.Uint32(value[1:])))
	if err != nil {
		return nil, err
	}
	return codec.AppendJSON(nil, body)
}
