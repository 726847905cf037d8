package kafka

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/sinktest"
)

// recordedBatch returns the recorded events.
func recordedBatch(t testing.TB) *cdc.Batch {
	t.Helper()
	events, err := sinktest.Recorded("../../schemas/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return &cdc.Batch{Events: events}
}

// framing returns a sink that writes a format, as after Resume, without a broker.
func framing(t testing.TB, format Format) *Sink {
	t.Helper()
	ids, codecs := make(map[schemas.Type]int), make(map[int]*schemas.AvroCodec)
	for i, kind := range schemas.Kinds() {
		schema, err := schemas.AvroSchema(kind.Type)
		if err != nil {
			t.Fatal(err)
		}
		ids[kind.Type] = 1<<24 + i
		if codecs[1<<24+i], err = schemas.NewAvroCodec(schema); err != nil {
			t.Fatal(err)
		}
	}
	k := &Sink{config: Config{Format: format, Registry: &Registry{codecs: codecs}}, sorter: newSorter(),
		producer: &producer{partitions: map[string][]int{}}}
	for _, topic := range k.Topics() {
		k.producer.partitions[topic] = []int{0, 1, 2}
	}
	if format.needsRegistry() {
		var err error
		if k.framer, err = newFramer(format, ids); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// TestFramesAreUndone frames every recorded event, twice with the same memory, and reads it back.
func TestFramesAreUndone(t *testing.T) {
	batch := recordedBatch(t)
	for _, format := range []Format{CloudEventsJSON, JSONSchema, Avro} {
		k := framing(t, format)
		for range 2 {
			records, err := k.records(batch)
			if err != nil {
				t.Fatal(err)
			}
			var values []string
			for _, of := range records {
				for i := range of {
					value, err := k.unframe(t.Context(), of[i].value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, string(value))
				}
			}
			for i := range batch.Events {
				if at := slices.Index(values, string(batch.Events[i].Value)); at < 0 || len(values) != len(batch.Events) {
					t.Fatalf("%s: %s did not come back; %d of %d values", format, batch.Events[i].ID, len(values), len(batch.Events))
				}
			}
		}
	}
}

func TestFramesThatCannotBeRead(t *testing.T) {
	k := framing(t, Avro)
	event := recordedBatch(t).Events[0]
	value, err := k.framer.value(&event)
	if err != nil {
		t.Fatal(err)
	}
	for name, broken := range map[string][]byte{"cut short": value[:len(value)-3], "too long": append(slices.Clone(value), 0)} {
		if got, err := k.unframe(t.Context(), broken); !errors.Is(err, schemas.ErrNotEvent) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	k.config.Registry = nil
	if _, err := k.unframe(t.Context(), value); !sink.IsPermanent(err) || !strings.Contains(err.Error(), "--schema-registry") {
		t.Errorf("without a registry: %v", err)
	}
	for _, other := range []string{"", "\x00", "\x00\x00\x00\x00\x01", `{"id":1}`} { // a foreign record stays what it is
		if got, err := k.unframe(t.Context(), []byte(other)); err != nil || string(got) != other {
			t.Errorf("%q became %q, %v", other, got, err)
		}
	}
	event.Type = "lowcap.moon.landed.v3"
	if _, err := k.framer.value(&event); !sink.IsPermanent(err) {
		t.Errorf("a type without a schema: %v", err)
	}
}

// BenchmarkRecords sorts a batch by partition, and frames it where the format asks for that.
func BenchmarkRecords(b *testing.B) {
	batch := recordedBatch(b)
	for _, format := range []Format{CloudEventsJSON, JSONSchema, Avro} {
		b.Run(string(format), func(b *testing.B) {
			k := framing(b, format)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.records(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Events)), "ns/event")
		})
	}
}
