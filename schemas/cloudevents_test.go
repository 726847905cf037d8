package schemas

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/binding/spec"
	"github.com/cloudevents/sdk-go/v2/event"
)

// TestOfficialSDKReadsEvents reads every recorded event with the CloudEvents SDK: the value in structured mode, and the
// headers as a reader of binary mode takes them. Both must validate and have the same attributes.
func TestOfficialSDKReadsEvents(t *testing.T) {
	for _, line := range recorded() {
		parsed, err := Parse(nil, line)
		if err != nil {
			t.Fatal(err)
		}
		record := kafkaMessage{headersOf(&parsed.Attributes), line}
		inStructured, err := binding.ToEvent(t.Context(), record)
		if err != nil {
			t.Fatal(err)
		}
		sameAsSDK(t, &parsed, inStructured)
		record.headers["content-type"] = "application/json"
		record.value = parsed.Data.AppendJSON(nil)
		inBinary, err := binding.ToEvent(t.Context(), record)
		if err != nil {
			t.Fatal(err)
		}
		sameAsSDK(t, &parsed, inBinary)
	}
}

func sameAsSDK(t *testing.T, want *Event, got *event.Event) {
	t.Helper()
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
	extensions := got.Extensions()
	number, err := strconv.ParseUint(extensions["number"].(string), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	attributes := Attributes{ID: got.ID(), Source: got.Source(), Type: Type(got.Type()), Subject: got.Subject(),
		Time:         got.Time().Format("2006-01-02T15:04:05.000000Z07:00"),
		PartitionKey: extensions["partitionkey"].(string), Sequence: extensions["sequence"].(string),
		Severity: Severity(extensions["severity"].(string)),
		Number:   number, Chain: extensions["chain"].(string)}
	if attributes != want.Attributes || got.DataSchema() != want.Type.DataSchema() || len(extensions) != 5 {
		t.Fatalf("the SDK read %+v, want %+v", got, want.Attributes)
	}
	if at, same := sameJSON(got.Data(), want.Data.AppendJSON(nil)); !same || !json.Valid(got.Data()) {
		t.Fatalf("the SDK's data differs at %s: %s", at, got.Data())
	}
}

// kafkaMessage is a record as the Kafka binding of CloudEvents gives it to the SDK.
type kafkaMessage struct {
	headers map[string]string
	value   []byte
}

func (m kafkaMessage) ReadEncoding() binding.Encoding {
	if strings.HasPrefix(m.headers["content-type"], "application/cloudevents") {
		return binding.EncodingStructured
	}
	return binding.EncodingBinary
}

func (m kafkaMessage) ReadStructured(ctx context.Context, to binding.StructuredWriter) error {
	if m.ReadEncoding() != binding.EncodingStructured {
		return binding.ErrNotStructured
	}
	return to.SetStructuredEvent(ctx, format.Lookup(m.headers["content-type"]), bytes.NewReader(m.value))
}

func (m kafkaMessage) ReadBinary(ctx context.Context, to binding.BinaryWriter) error {
	if m.ReadEncoding() != binding.EncodingBinary {
		return binding.ErrNotBinary
	}
	version := spec.WithPrefix("ce_").Version(m.headers["ce_specversion"])
	if err := to.Start(ctx); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m.headers)) {
		if err := setAttribute(to, version, name, m.headers[name]); err != nil {
			return err
		}
	}
	if err := to.SetData(bytes.NewReader(m.value)); err != nil {
		return err
	}
	return to.End(ctx)
}

func setAttribute(to binding.BinaryWriter, version spec.Version, name, value string) error {
	switch attribute := version.Attribute(name); {
	case name == "content-type":
		return to.SetAttribute(version.AttributeFromKind(spec.DataContentType), value)
	case attribute == nil:
		return to.SetExtension(strings.TrimPrefix(name, "ce_"), value)
	case attribute.Kind() == spec.Time:
		at, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			return err
		}
		return to.SetAttribute(attribute, at)
	default:
		return to.SetAttribute(attribute, value)
	}
}

func (m kafkaMessage) GetAttribute(kind spec.Kind) (spec.Attribute, any) {
	attribute := spec.WithPrefix("ce_").Version(m.headers["ce_specversion"]).AttributeFromKind(kind)
	return attribute, m.headers[attribute.PrefixedName()]
}

func (m kafkaMessage) GetExtension(name string) any { return m.headers["ce_"+name] }

func (kafkaMessage) Finish(error) error { return nil }
