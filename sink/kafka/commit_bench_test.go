package kafka_test

import (
	"fmt"
	"testing"

	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/sink/kafka"
)

// BenchmarkCommit commits to a real broker: one event, which is what a quiet stream waits for, and many.
func BenchmarkCommit(b *testing.B) {
	k, err := lab.StartKafka(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // the benchmark is over
	for _, events := range []int{1, 3000} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			to, batch := openKafka(b, k.Addr()), kafka.BenchBatch(b, events)
			if err := to.Resume(b.Context(), func(string, []byte) error { return nil }); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := to.Commit(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
