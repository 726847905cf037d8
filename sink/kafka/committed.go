package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"lowcap-cdc/sink"
)

const (
	fetchBytes         = 4 << 20
	partitionBytes     = fetchBytes / 4
	readCommittedLevel = 1
)

// visitor receives what a fetch has found.
type visitor struct {
	record func(sink.Stored) error
	// broken gets a batch that the broker has stored although its records cannot be read, at the first offset that was
	// not visited. Reading continues behind it unless this returns an error.
	broken func(at partition, offset int64, size int, err error) error
	limit  int // of a batch without its compression, in bytes
	each   int // bytes of one fetch from a partition; 0 for the usual number
}

const (
	// eventBatch bounds a batch of events without its compression, in bytes; the sink's own are smaller.
	eventBatch = 64 << 20
	// stateBatch bounds one of state: an image is as large as a row may be.
	stateBatch = 1 << 30
)

// readCommitted hands every committed record of a topic to a visitor, partition by partition, up to where the last stable
// offset was at the beginning.
func (k *Sink) readCommitted(ctx context.Context, topic string, ids []int, v visitor) error {
	for _, id := range ids {
		first, stable, err := k.offsets(ctx, topic, id)
		if err != nil {
			return fmt.Errorf("read offsets of %s/%d: %w", topic, id, err)
		}
		// An empty topic is asked too: a missing right to read it must not show only at the next start.
		for at, asked := first, false; !asked || at < stable; asked = true {
			if at, err = k.fetchCommitted(ctx, partition{topic, id}, at, stable, v); err != nil {
				return fmt.Errorf("read %s/%d at %d: %w", topic, id, at, err)
			}
		}
	}
	return nil
}

func (k *Sink) offsets(ctx context.Context, topic string, id int) (first, stable int64, err error) {
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

// fetchCommitted reads one response and returns the offset to continue from. An answer without a record although the end
// lies behind the offset is asked for again: a leader that has just changed, or a broker that throttles, gives such, and
// to pass on would leave a record out.
func (k *Sink) fetchCommitted(ctx context.Context, at partition, offset, end int64, v visitor) (int64, error) {
	next := offset
	err := k.retry(ctx, func() error {
		answers, err := k.fetch(ctx, map[partition]int64{at: offset}, cmp.Or(v.each, partitionBytes), 0)
		if err != nil {
			return err
		}
		next, err = committed(at, answers[at], offset, v)
		if err == nil && next == offset && offset < end {
			return fmt.Errorf("nothing there, but the end is %d: %w", end, kafka.LeaderNotAvailable)
		}
		return err
	})
	return next, err
}

// fetch reads once from partitions that have one leader, each from its offset on and not much more than so many bytes, and waits for
// something to read.
func (k *Sink) fetch(ctx context.Context, offsets map[partition]int64, each int, wait time.Duration) (map[partition]*fetchPartition, error) {
	topics := make(map[string][]fetch.RequestPartition)
	for at, offset := range offsets {
		topics[at.topic] = append(topics[at.topic], fetch.RequestPartition{Partition: int32(at.id), CurrentLeaderEpoch: -1,
			FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: int32(each)})
	}
	request := &fetch.Request{ReplicaID: -1, MaxWaitTime: int32(wait.Milliseconds()), MinBytes: 1, MaxBytes: fetchBytes,
		IsolationLevel: readCommittedLevel, SessionEpoch: -1}
	for name, partitions := range topics {
		request.Topics = append(request.Topics, fetch.RequestTopic{Topic: name, Partitions: partitions})
	}
	response, err := k.transport.RoundTrip(ctx, k.client.Addr, request)
	if err != nil {
		return nil, err
	}
	answers := make(map[partition]*fetchPartition)
	for _, t := range response.(*fetchResponse).Topics {
		for i := range t.Partitions {
			part := &t.Partitions[i]
			if part.ErrorCode != 0 {
				return nil, fmt.Errorf("%s/%d: %w", t.Topic, part.Partition, kafka.Error(part.ErrorCode))
			}
			answers[partition{t.Topic, int(part.Partition)}] = part
		}
	}
	return answers, nil
}

// visit hands out the records of a batch from an offset on: a fetch begins with the whole batch that holds its offset.
func (v *visitor) visit(at partition, batch *recordBatch, from int64) error {
	next := max(batch.base, from)
	err := batch.each(v.limit, func(found int64, key, value, headers []byte) error {
		if found < from {
			return nil
		}
		next = found + 1
		return v.record(sink.Stored{Topic: at.topic, Partition: at.id, Offset: found, Key: key, Value: value, Headers: headers})
	})
	if errors.Is(err, errBatch) {
		return v.broken(at, next, len(batch.records), err)
	}
	return err
}

// committed filters an answer as the protocol asks of a read_committed client: the broker names the transactions that
// were aborted and where each begins; its records are dropped until its control batch. It returns the offset to continue
// from: past the asked one when there was any batch, whose own record may have been compacted away.
func committed(at partition, part *fetchPartition, offset int64, v visitor) (next int64, err error) {
	if part == nil {
		return offset, nil
	}
	next = offset
	waiting, aborted := part.AbortedTransactions, make(map[int64]bool)
	slices.SortFunc(waiting, func(a, b fetch.ResponseTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	for rest := part.RecordSet.batches; ; {
		batch, behind, ok, err := nextBatch(rest)
		if err != nil || !ok {
			return next, err
		}
		for len(waiting) > 0 && waiting[0].FirstOffset <= batch.last {
			aborted[waiting[0].ProducerID], waiting = true, waiting[1:]
		}
		switch {
		case batch.control:
			delete(aborted, batch.producer)
		case !aborted[batch.producer]:
			err = v.visit(at, &batch, offset)
		}
		if err != nil {
			return next, err
		}
		next, rest = max(next, batch.last+1), behind
	}
}
