package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
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

// TestRecordsRemovedUnderAReader: retention may be faster than who reads slowly. That passes with the next reading, and is said so.
func TestRecordsRemovedUnderAReader(t *testing.T) {
	const topic = "test.entry-blocks"
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 10 {
		if err := client.ProduceSync(t.Context(), kgo.StringRecord("record")).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	k, err := New(Config{Brokers: cluster.ListenAddrs(), TopicPrefix: "test.", Slot: "s"})
	if err != nil {
		t.Fatal(err)
	}
	leaders, err := k.leaders(t.Context(), []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	cursors, err := k.cursors(t.Context(), leaders, time.Time{})
	if err != nil || len(cursors) != 1 {
		t.Fatalf("%d cursors: %v", len(cursors), err)
	}
	removed := kadm.Offsets{}
	removed.Add(kadm.Offset{Topic: topic, At: 5})
	if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), removed); err != nil {
		t.Fatal(err)
	}
	if err := cursors[0].fill(t.Context()); err == nil || !strings.Contains(err.Error(), "run the same again") {
		t.Errorf("%v", err)
	}
}
