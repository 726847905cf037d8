package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

const (
	fetchBytes         = 4 << 20
	readCommittedLevel = 1
)

// readCommitted hands every committed record of a topic to take, partition by partition, up to where the last stable
// offset was at the beginning.
func (k *Kafka) readCommitted(ctx context.Context, topic string, take func(key, value []byte) error) error {
	for _, id := range k.producer.partitions[topic] {
		first, stable, err := k.offsets(ctx, topic, id)
		if err != nil {
			return fmt.Errorf("read offsets of %s/%d: %w", topic, id, err)
		}
		// An empty topic is asked too: a missing right to read it must not show only at the next start.
		for at := first; at == first || at < stable; {
			if at, err = k.fetchCommitted(ctx, partition{topic, id}, at, take); err != nil {
				return fmt.Errorf("read %s/%d at %d: %w", topic, id, at, err)
			}
		}
	}
	return nil
}

func (k *Kafka) offsets(ctx context.Context, topic string, id int) (first, stable int64, err error) {
	err = k.retry(ctx, func() error {
		response, err := k.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{IsolationLevel: kafka.ReadCommitted,
			Topics: map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(id), kafka.LastOffsetOf(id)}}})
		if err != nil {
			return err
		}
		for _, p := range response.Topics[topic] {
			if p.Error != nil {
				return p.Error
			}
			first, stable = p.FirstOffset, p.LastOffset
		}
		if first < 0 || stable < 0 {
			return kafka.LeaderNotAvailable
		}
		return nil
	})
	return first, stable, err
}

// fetchCommitted reads one response and returns the offset to go on from.
func (k *Kafka) fetchCommitted(ctx context.Context, at partition, offset int64,
	take func(key, value []byte) error) (int64, error) {
	next := offset
	err := k.retry(ctx, func() error {
		response, err := k.transport.RoundTrip(ctx, k.client.Addr, &fetch.Request{ReplicaID: -1, MaxBytes: fetchBytes, IsolationLevel: readCommittedLevel, SessionEpoch: -1,
			Topics: []fetch.RequestTopic{{Topic: at.topic, Partitions: []fetch.RequestPartition{{Partition: int32(at.id),
				CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: fetchBytes}}}}})
		if err != nil {
			return err
		}
		part := &response.(*fetch.Response).Topics[0].Partitions[0]
		if part.ErrorCode != 0 {
			return kafka.Error(part.ErrorCode)
		}
		next, err = committed(part, offset, take)
		return err
	})
	return next, err
}

// committed filters a response as the protocol asks of a read_committed client: the broker names the transactions that
// were aborted and where each begins; its records are dropped until its control record.
func committed(part *fetch.ResponsePartition, offset int64, take func(key, value []byte) error) (int64, error) {
	stream, ok := part.RecordSet.Records.(*protocol.RecordStream)
	if !ok {
		return offset + 1, nil // nothing at this offset: compacted away
	}
	next, waiting, aborted := offset, part.AbortedTransactions, make(map[int64]bool)
	sort.Slice(waiting, func(i, j int) bool { return waiting[i].FirstOffset < waiting[j].FirstOffset })
	for _, set := range stream.Records {
		switch batch := set.(type) {
		case *protocol.ControlBatch:
			delete(aborted, batch.ProducerID)
			next = max(next, batch.BaseOffset+1)
		case *protocol.RecordBatch:
			for len(waiting) > 0 && waiting[0].FirstOffset <= batch.BaseOffset {
				aborted[waiting[0].ProducerID], waiting = true, waiting[1:]
			}
			last, err := eachRecord(batch, offset, aborted[batch.ProducerID], take)
			if err != nil {
				return next, err
			}
			next = max(next, last+1)
		default:
			return next, fmt.Errorf("record set of type %T", set)
		}
	}
	return max(next, offset+1), nil
}

func eachRecord(batch *protocol.RecordBatch, from int64, skip bool, take func(key, value []byte) error) (last int64, err error) {
	last = batch.BaseOffset
	for {
		record, err := batch.ReadRecord()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		last = record.Offset
		key, err := protocol.ReadAll(record.Key)
		if err != nil {
			return last, err
		}
		value, err := protocol.ReadAll(record.Value)
		if err != nil {
			return last, err
		}
		if skip || record.Offset < from {
			continue // a fetch begins with the whole batch that holds its offset
		}
		if err := take(key, value); err != nil {
			return last, err
		}
	}
}
