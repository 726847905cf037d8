package kafka

import (
	"bytes"
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

// unwrap makes a record's value its event in structured JSON, whatever the format it was written in. A record that is no
// event comes back as foreign.
func (k *Sink) unwrap(ctx context.Context, r *sink.Stored) (foreign *sink.Foreign, err error) {
	value, err := k.unframe(ctx, r.Value)
	switch {
	case errors.Is(err, schemas.ErrNotEvent):
		return newForeign(r, fmt.Sprintf("%.200q", err)), nil
	case err != nil:
		return nil, fmt.Errorf("offset %d: %w", r.Offset, err)
	}
	event := *r
	event.Value = value
	if why := event.NotEvent(); why != "" {
		return newForeign(r, why), nil
	}
	*r = event
	return nil, nil
}

func newForeign(r *sink.Stored, why string) *sink.Foreign {
	return &sink.Foreign{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Size: len(r.Value), Why: why}
}

// avroBeginning is how every event of ours in Avro begins: its specversion. Nobody else's record makes us ask for a schema.
var avroBeginning = []byte("\x061.0")

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
	if !bytes.HasPrefix(body, avroBeginning) {
		return nil, fmt.Errorf("%w: framed with schema %d, but neither JSON nor an event in Avro", schemas.ErrNotEvent,
			binary.BigEndian.Uint32(value[1:]))
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
