package kafka_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// published is n whole events of one partition key.
func published(n int) *cdc.Batch {
	batch := &cdc.Batch{}
	for i := range n {
		a := schemas.Attributes{ID: fmt.Sprintf("1/0/A/%d/0", i), Source: "/postgres/1/db", Type: "lowcap.trim_pool.opened.v1", Subject: "s",
			Time: "2026-01-01T00:00:00.000000Z", PartitionKey: "k", Sequence: fmt.Sprintf("%032X", i), Severity: schemas.Info}
		batch.Events = append(batch.Events, cdc.Event{Attributes: a, Value: fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":%q,`+
			`"type":%q,"subject":"s","time":%q,"partitionkey":"k","sequence":%q,"data":{}}`, a.ID, a.Source, a.Type, a.Time, a.Sequence)})
	}
	return batch
}

// strangers are records that someone else may write into a topic, and what is said of each.
func strangers() map[string]*kgo.Record {
	event := string(published(1).Events[0].Value)
	replaced := func(old, with string) *kgo.Record { return kgo.StringRecord(strings.Replace(event, old, with, 1)) }
	return map[string]*kgo.Record{
		"a tombstone":                 {Key: []byte("k")},
		"it is empty":                 {Key: []byte("k"), Value: []byte{}},
		"framed with schema 7":        {Value: []byte{0, 0, 0, 0, 7, 2, 0x61, 0x62, 0x63}},
		"framed with schema 0":        {Value: make([]byte, 900_000)},
		"no JSON, it begins with":     {Key: bytes.Repeat([]byte("K"), 500_000), Value: []byte("\x1b[31mhello")},
		"no JSON, it begins with \"{": kgo.StringRecord(event[:len(event)-3]),
		`specversion "0.3"`:           replaced(`"specversion":"1.0"`, `"specversion":"0.3"`),
		`type "com.example"`:          replaced("lowcap.trim_pool.opened.v1", "com.example"),
		`id "1\r\nX: y"`:              replaced("1/0/A/0/0", `1\r\nX: y`),
		`source "\x1b[2J"`:            replaced("/postgres/1/db", `\u001b[2J`),
		`sequence "0"`:                replaced(strings.Repeat("0", 32), "0"),
		`time "yesterday"`:            replaced("2026-01-01T00:00:00.000000Z", "yesterday"),
	}
}

// TestForeignRecords puts everything that is no event between events: each is told once, in one printable line, and the
// events are all read.
func TestForeignRecords(t *testing.T) {
	_, addr := fake(t)
	k := openKafka(t, addr)
	if err := k.Resume(t.Context(), func(string, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	events := published(2)
	if err := k.Commit(t.Context(), &cdc.Batch{Events: events.Events[:1]}); err != nil {
		t.Fatal(err)
	}
	produce(t, addr, strangers())
	if err := k.Commit(t.Context(), &cdc.Batch{Events: events.Events[1:]}); err != nil {
		t.Fatal(err)
	}
	var read []string
	var foreign []*sink.Foreign
	err := k.ReadEvents(t.Context(), sink.Range{Foreign: func(f *sink.Foreign) error { foreign = append(foreign, f); return nil }},
		func(e *sink.Stored) error { read = append(read, e.Attributes().ID); return nil })
	if want := fmt.Sprint([]string{events.Events[0].ID, events.Events[1].ID}); err != nil || fmt.Sprint(read) != want {
		t.Errorf("read %v, want %v; %v", read, want, err)
	}
	for why := range strangers() {
		told := 0
		for _, f := range foreign {
			if strings.Contains(f.Error(), why) {
				told++
			}
			if strings.ContainsFunc(f.Error(), func(r rune) bool { return r < ' ' }) || len(f.Error()) > 400 {
				t.Errorf("unprintable or long: %q", f.Error())
			}
		}
		if told == 0 {
			t.Errorf("%q was not told", why)
		}
	}
	if len(foreign) != len(strangers()) {
		t.Errorf("%d foreign records told, want %d: %v", len(foreign), len(strangers()), foreign)
	}
	if err := k.ReadEvents(t.Context(), sink.Range{}, func(*sink.Stored) error { return nil }); !sink.IsPermanent(err) {
		t.Errorf("nobody is told, and the reading ends with %v", err)
	}
}

// produce writes records to the topic of trim pools.
func produce(t *testing.T, addr string, records map[string]*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("test.trim-pools"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, r := range records {
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
