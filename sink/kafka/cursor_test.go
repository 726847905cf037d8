package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// TestCursorsShareTheirMemory: a reading holds a fetch of each partition, however many there are.
func TestCursorsShareTheirMemory(t *testing.T) {
	for _, partitions := range []int32{1, 3, 100} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "test.entry-blocks", "test.positions"))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		k, err := New(Config{Brokers: cluster.ListenAddrs(), TopicPrefix: "test.", Slot: "s"})
		if err != nil {
			t.Fatal(err)
		}
		leaders, err := k.leaders(t.Context(), []string{"test.entry-blocks", "test.positions"})
		if err != nil {
			t.Fatal(err)
		}
		cursors, err := k.cursors(t.Context(), leaders, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, c := range cursors {
			total += c.each
			if c.each < fewestAtATime || c.each > partitionBytes {
				t.Errorf("%d partitions: %d bytes at a time", len(cursors), c.each)
			}
		}
		if total > max(mergeBytes, len(cursors)*fewestAtATime) {
			t.Errorf("%d partitions: %d bytes together", len(cursors), total)
		}
	}
}
