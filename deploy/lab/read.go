package lab

import (
	"context"
	"fmt"
	"sort"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadCommitted returns every committed record of the topics, in order within each partition, up to the last stable
// offsets of now. It is an independent client: it shares no code with the sink.
func ReadCommitted(ctx context.Context, addr string, topics ...string) ([]*kgo.Record, error) {
	var records []*kgo.Record
	err := EachCommitted(ctx, addr, func(r *kgo.Record) { records = append(records, r) }, topics...)
	return records, err
}

// EachCommitted is ReadCommitted for more records than memory should hold: it hands them out one by one.
func EachCommitted(ctx context.Context, addr string, each func(*kgo.Record), topics ...string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := settled(ctx, kadm.NewClient(client), topics)
	if err != nil {
		return fmt.Errorf("list end offsets: %w", err)
	}
	missing := make(map[string]map[int32]int64)
	left := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			if missing[o.Topic] == nil {
				missing[o.Topic] = make(map[int32]int64)
			}
			missing[o.Topic][o.Partition] = o.Offset
			left++
		}
	})
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				each(r)
			}
			if end, ok := missing[r.Topic][r.Partition]; ok && r.Offset+1 >= end {
				delete(missing[r.Topic], r.Partition)
				left--
			}
		})
	}
	return nil
}

// settled returns the last stable offsets when no transaction is open: EndTxn is answered before its markers have
// reached every partition.
func settled(ctx context.Context, admin *kadm.Client, topics []string) (kadm.ListedOffsets, error) {
	for {
		stable, err := admin.ListCommittedOffsets(ctx, topics...)
		if err != nil {
			return nil, err
		}
		ends, err := admin.ListEndOffsets(ctx, topics...)
		if err != nil {
			return nil, err
		}
		open := false
		ends.Each(func(o kadm.ListedOffset) {
			if s, ok := stable.Lookup(o.Topic, o.Partition); ok && s.Offset != o.Offset {
				open = true
			}
		})
		if !open {
			return stable, nil
		}
	}
}

// Events returns the values of committed event records in the order of their sequence.
func Events(records []*kgo.Record) []string {
	sequence := func(r *kgo.Record) string {
		for _, h := range r.Headers {
			if h.Key == "ce_sequence" {
				return string(h.Value)
			}
		}
		return ""
	}
	sort.SliceStable(records, func(i, j int) bool { return sequence(records[i]) < sequence(records[j]) })
	var events []string
	for _, r := range records {
		events = append(events, string(r.Value))
	}
	return events
}
