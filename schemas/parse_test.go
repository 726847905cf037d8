package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// headersOf returns the headers that a Kafka record of the event has.
func headersOf(a *Attributes) map[string]string {
	return map[string]string{"content-type": structured, "ce_specversion": "1.0", "ce_id": a.ID, "ce_source": a.Source,
		"ce_type": string(a.Type), "ce_subject": a.Subject, "ce_time": a.Time, "ce_dataschema": a.Type.DataSchema(),
		"ce_partitionkey": a.PartitionKey, "ce_sequence": a.Sequence, "ce_severity": string(a.Severity),
		"ce_number": strconv.FormatUint(a.Number, 10), "ce_chain": a.Chain}
}

// TestParseKeepsEveryByte reads each recorded event and writes it again: nothing is lost, not even a digit.
func TestParseKeepsEveryByte(t *testing.T) {
	for _, line := range recorded() {
		event, err := ParseStrict(nil, line)
		if err != nil {
			t.Fatal(err)
		}
		if again := AppendEvent(nil, &event.Attributes, event.Data); !bytes.Equal(again, line) {
			t.Fatalf("read and written again:\n%s\nwas\n%s", again, line)
		}
		if _, err := ParseStrict(headersOf(&event.Attributes), line); err != nil {
			t.Fatal(err)
		}
		marshaled, err := json.Marshal(event.Data)
		if err != nil {
			t.Fatal(err)
		}
		if at, same := sameJSON(marshaled, event.Data.AppendJSON(nil)); !same {
			t.Fatalf("json.Marshal differs at %s: %s", at, marshaled)
		}
	}
}

func TestParseLater(t *testing.T) {
	line := string(recorded()[0])
	more := strings.Replace(line, `"flags":[`, `"new_field":{"a":1},"flags":["new_flag",`, 1)
	more = strings.Replace(strings.Replace(more, `,]`, `]`, 1), `"severity"`, `"newattribute":"x","severity"`, 1)
	event, err := Parse(nil, []byte(more))
	if err != nil || !slices.Contains(event.Data.Head().Flags, "new_flag") {
		t.Fatalf("a later version of a known type: %v", err)
	}
	unknown := strings.Replace(line, string(event.Type), "lowcap.moon.landed.v3", 1)
	event, err = Parse(nil, []byte(unknown))
	data, ok := event.Data.(*Unknown)
	if err != nil || !ok || data.Named != "lowcap.moon.landed.v3" || data.Origin.CommitLSN == "" || len(data.JSON) == 0 {
		t.Fatalf("unknown type: %+v, %v", event, err)
	}
	for _, strict := range []string{more, unknown} {
		if _, err := ParseStrict(nil, []byte(strict)); !errors.Is(err, ErrContract) {
			t.Errorf("strict took %s: %v", strict, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	line := string(recorded()[0])
	other := headersOf(&Attributes{ID: "another"})
	for name, c := range map[string]struct {
		headers map[string]string
		value   string
		want    error
	}{
		"tombstone":        {nil, "", ErrNotEvent},
		"no JSON":          {nil, "{", ErrNotEvent},
		"null":             {nil, "null", ErrNotEvent},
		"other event":      {nil, `{"specversion":"1.0","id":"1","type":"com.example"}`, ErrNotEvent},
		"Avro":             {map[string]string{"content-type": "application/avro"}, line, ErrNotEvent},
		"field of a kind":  {nil, strings.Replace(line, `"flags":[`, `"flags":1,"x":[`, 1), ErrContract},
		"field missing":    {nil, strings.Replace(line, `"before":null,`, ``, 1), ErrContract},
		"no data":          {nil, line[:strings.Index(line, `,"data"`)] + "}", ErrContract},
		"null entity":      {nil, line[:strings.Index(line, `,"data"`)] + `,"data":{"entity":null}}`, ErrContract},
		"headers of other": {other, line, ErrContract},
		"something behind": {nil, line + "{}", ErrNotEvent},
	} {
		if _, err := ParseStrict(c.headers, []byte(c.value)); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
}

func TestNumberIsExact(t *testing.T) {
	for number, want := range map[Number]string{"61.355": "12271/200", "1e-05": "1/100000", "-150.0": "-150/1", "0": "0/1"} {
		if got, ok := number.Rat(); !ok || got.String() != want {
			t.Errorf("%s is %v (%v), want %s", number, got, ok, want)
		}
	}
	for _, number := range []Number{"", "NaN", "Infinity", "1e999999999", "1E-0000099999"} {
		if got, ok := number.Rat(); ok {
			t.Errorf("%q is %v", number, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range recorded() {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		event, err := Parse(nil, value)
		if err != nil {
			return
		}
		again := AppendEvent(nil, &event.Attributes, event.Data)
		if _, unknown := event.Data.(*Unknown); !unknown {
			if _, err := ParseStrict(nil, again); err != nil {
				t.Fatalf("%v: %s", err, again)
			}
		}
	})
}

func TestOrderAndDedup(t *testing.T) {
	var events []Event
	for _, line := range recorded() {
		event, err := Parse(nil, line)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	if !slices.IsSortedFunc(events, func(a, b Event) int { return a.Compare(&b.Attributes) }) {
		t.Fatal("the recording is not in WAL order")
	}
	seen, handled := Dedup{}, 0
	for _, part := range [][]Event{events[:50], events[30:], events} { // read again from earlier offsets, twice
		for i := range part {
			if seen.First("lowcap.trim-pools", 0, &part[i].Attributes) {
				handled++
			}
		}
	}
	if handled != len(events) || len(seen) != 1 {
		t.Fatalf("handled %d of %d events, keeping %d sequences", handled, len(events), len(seen))
	}
	if !seen.First("lowcap.trim-pools", 1, &events[0].Attributes) {
		t.Fatal("another partition's events are other events")
	}
}
