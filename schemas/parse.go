package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// Event is one event of the contract. Data is a pointer to one of the types that Kinds lists, or *Unknown:
//
//	switch data := event.Data.(type) {
//	case *schemas.EmergencyExitExecuted:
//		...
//	}
type Event struct {
	Attributes
	Data Data
}

// Unknown is the data of an event whose type this version of the package does not know: a later contract has it.
type Unknown struct {
	Common
	Named Type // the type that the event names
	JSON  Raw  // the data object
}

// Type returns the type that the event names.
func (u *Unknown) Type() Type { return u.Named }

// AppendJSON appends the data object as it was received.
func (u *Unknown) AppendJSON(dst []byte) []byte { return append(dst, u.JSON...) }

// The errors that Parse and ParseStrict wrap.
var (
	ErrNotEvent = errors.New("not an event of lowcap-cdc") // a tombstone, another format, or no JSON
	ErrContract = errors.New("not what the contract says") // an event, but with a field missing, added, or of another kind
)

const structured = "application/cloudevents+json"

// Parse reads an event: a Kafka record's value, or a line of events.jsonl. headers are the record's, and may be nil.
//
// It is for consumers in production and follows the contract's rules of evolution: fields it does not know are ignored,
// and a type it does not know comes as *Unknown. An error wraps ErrNotEvent, or ErrContract when a field it does know
// holds something else.
func Parse(headers map[string]string, value []byte) (Event, error) {
	if contentType, ok := headers["content-type"]; ok && !strings.HasPrefix(contentType, structured) {
		return Event{}, fmt.Errorf("parse event: %w: content-type is %q, not %s; read the value with what wrote it",
			ErrNotEvent, contentType, structured)
	}
	var event struct {
		SpecVersion string `json:"specversion"`
		Attributes
		Data Raw `json:"data"`
	}
	if err := json.Unmarshal(value, &event); err != nil {
		return Event{}, fmt.Errorf("parse event: %w: %w", ErrNotEvent, err)
	}
	if event.SpecVersion != "1.0" || !strings.HasPrefix(string(event.Type), "lowcap.") || event.ID == "" {
		return Event{}, fmt.Errorf("parse event: %w: specversion %q, type %q, id %q", ErrNotEvent, event.SpecVersion, event.Type, event.ID)
	}
	data, err := parseData(event.Type, event.Data)
	if err != nil {
		return Event{}, fmt.Errorf("parse event %s: %w: %w", event.ID, ErrContract, err)
	}
	return Event{event.Attributes, data}, nil
}

// ParseStrict is Parse for tests and for consumers that would rather stop than overlook something: the type must be
// known, the value must hold every field and no other, and the headers, if there are any, must repeat the attributes.
// An error says where the first difference is.
func ParseStrict(headers map[string]string, value []byte) (Event, error) {
	event, err := Parse(headers, value)
	if err != nil {
		return Event{}, err
	}
	if unknown, ok := event.Data.(*Unknown); ok {
		return Event{}, fmt.Errorf("parse event %s: %w: type %s is not known; use a newer version of this package",
			event.ID, ErrContract, unknown.Named)
	}
	if at, same := sameJSON(value, AppendEvent(nil, &event.Attributes, event.Data)); !same {
		return Event{}, fmt.Errorf("parse event %s: %w: %s is missing, not known, or of another kind", event.ID, ErrContract, at)
	}
	if len(headers) > 0 {
		if repeated := ParseHeaders(headers); repeated != event.Attributes {
			return Event{}, fmt.Errorf("parse event %s: %w: headers say %+v, the value says %+v", event.ID, ErrContract, repeated, event.Attributes)
		}
	}
	return event, nil
}

// ParseHeaders reads the attributes from a Kafka record's ce_* headers, so that a consumer can filter without parsing
// the value. What is not there is empty.
func ParseHeaders(headers map[string]string) Attributes {
	number, _ := strconv.ParseUint(headers["ce_number"], 10, 64) // 0, as if it were not there
	return Attributes{
		ID: headers["ce_id"], Source: headers["ce_source"], Type: Type(headers["ce_type"]), Subject: headers["ce_subject"],
		Time: headers["ce_time"], PartitionKey: headers["ce_partitionkey"], Sequence: headers["ce_sequence"],
		Severity: Severity(headers["ce_severity"]), Number: number, Chain: headers["ce_chain"],
	}
}

func parseData(of Type, text Raw) (Data, error) {
	data := newData(of)
	if unknown, ok := data.(*Unknown); ok {
		unknown.JSON = text
		return data, json.Unmarshal(text, &struct {
			*Common
			Entity Raw `json:"entity"` // of a kind that nobody knows
		}{Common: &unknown.Common})
	}
	head := data.Head()
	head.Entity = entityFor(of, text)
	if err := json.Unmarshal(text, data); err != nil {
		return nil, err
	}
	if head.Entity == nil {
		return nil, errors.New("entity is null")
	}
	head.Entity = reflect.ValueOf(head.Entity).Elem().Interface().(Entity)
	return data, nil
}

func newData(of Type) Data {
	if kind := kindOf[of]; kind != nil {
		return kind.New()
	}
	return &Unknown{Named: of}
}

// entityFor returns a pointer to the entity that the data holds; where the type leaves a choice, a position has an id.
func entityFor(of Type, data Raw) Entity {
	entities := entitiesOf(of)
	var probe struct{ Entity struct{ ID *string } }
	if len(entities) > 1 && json.Unmarshal(data, &probe) == nil && probe.Entity.ID == nil {
		return entities[1]
	}
	return entities[0]
}

// sameJSON compares two JSON texts and names the first place in which they differ. Numbers are equal when their digits are.
func sameJSON(a, b []byte) (at string, same bool) {
	values := [2]any{}
	for i, text := range [][]byte{a, b} {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&values[i]); err != nil {
			return "the value", false
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			return "what follows the value", false
		}
	}
	at = difference("", values[0], values[1])
	return at, at == ""
}

func difference(path string, a, b any) string {
	left, isObject := a.(map[string]any)
	right, both := b.(map[string]any)
	if !isObject || !both {
		if reflect.DeepEqual(a, b) {
			return ""
		}
		return strings.TrimPrefix(path, ".")
	}
	for name := range left {
		if _, ok := right[name]; !ok {
			return strings.TrimPrefix(path+"."+name, ".")
		}
	}
	for name, value := range right {
		other, ok := left[name]
		if at := difference(path+"."+name, other, value); !ok || at != "" {
			return strings.TrimPrefix(path+"."+name, ".")
		}
	}
	return ""
}
