package kafka

import (
	"encoding/binary"
	"strings"
	"testing"

	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// TestCheckHeaders: consumers go by headers, so they must say what the event says.
func TestCheckHeaders(t *testing.T) {
	value := `{"specversion":"1.0","id":"7/0/1/1/0","source":"/postgres/7/x","type":"lowcap.emergency_exit.executed.v1","subject":"p",
		"time":"2026-01-18T11:00:00Z",
		"partitionkey":"solana/A/1h","sequence":"0001","severity":"page","number":"3","chain":"ab"}`
	s := &sink.Stored{Value: []byte(value)}
	a := s.Attributes()
	whole := appendHeaders(nil, &a, CloudEventsJSON.contentType())
	if s.Headers = whole; CheckHeaders(s) != "" {
		t.Error(CheckHeaders(s))
	}
	more := func(name, text string) []byte {
		_, n := binary.Varint(whole)
		return appendHeader(append(binary.AppendVarint(nil, headers+1), whole[n:]...), name, text)
	}
	if s.Headers = more("traceparent", "00"); CheckHeaders(s) != "" {
		t.Error("somebody else's header:", CheckHeaders(s))
	}
	altered := func(change func(*schemas.Attributes)) []byte {
		b := a
		change(&b)
		return appendHeaders(nil, &b, "")
	}
	for want, forged := range map[string][]byte{
		"ce_severity":          altered(func(b *schemas.Attributes) { b.Severity = schemas.Info }),
		"ce_dataschema":        altered(func(b *schemas.Attributes) { b.Type = "lowcap.trade.opened.v1" }),
		"ce_id":                altered(func(b *schemas.Attributes) { b.ID = "x" }),
		"no header ce_chain":   altered(func(b *schemas.Attributes) { b.Number = 0 }),
		"ce_severity 2 times":  more("ce_severity", "page"),
		"which no event has":   more("ce_other", "x"),
		"no header":            nil,
		"that cannot be read":  whole[:len(whole)/2],
		"that cannot be  read": {0xff},
	} {
		if s.Headers = forged; forged == nil {
			s.Headers = []byte{0}
		}
		if got := CheckHeaders(s); !strings.Contains(got, strings.ReplaceAll(want, "  ", " ")) {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}
