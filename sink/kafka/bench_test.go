package kafka

import (
	"fmt"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// BenchBatch returns n events as they were recorded, over and over, each with an image and at the end a checkpoint.
func BenchBatch(b *testing.B, n int) *cdc.Batch {
	recorded, batch := recordedBatch(b).Events, &cdc.Batch{}
	for i := range n {
		batch.Events = append(batch.Events, recorded[i%len(recorded)])
		batch.State = append(batch.State, cdc.StateRecord{Key: fmt.Sprintf("position/%036d", i), Value: noise(i)})
	}
	batch.State = append(batch.State, cdc.StateRecord{Key: "checkpoint", Value: noise(n)})
	return batch
}

// BenchmarkEncode makes the Kafka record batches of 3,000 events.
func BenchmarkEncode(b *testing.B) {
	const events = 3000
	k := &Sink{sorter: newSorter(), producer: &producer{partitions: make(map[string][]int)}}
	batch := BenchBatch(b, events)
	k.producer.partitions[k.stateTopic()] = []int{0}
	for i := range batch.Events {
		k.producer.partitions[schemas.TopicOf(batch.Events[i].Type)] = []int{0, 1, 2}
	}
	e := &encoder{}
	b.ReportAllocs()
	for b.Loop() {
		records, err := k.records(batch)
		if err != nil {
			b.Fatal(err)
		}
		for _, of := range records {
			e.batch(of, 7, 0, 0)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}
