package main

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// spot is where a record stands.
type spot struct {
	topic     string
	partition int32
	offset    int64
}

func spotOf(r *kgo.Record) spot { return spot{r.Topic, r.Partition, r.Offset} }

// readback is what two readings of the topics found: one as every consumer should read, and one of all records with the
// brokers' markers, which says what the first one must not have seen.
type readback struct {
	events      *journal
	disorder    int // records after one with a higher sequence in their partition
	aborted     int // records of aborted transactions
	abortedSeen int // of these, records that the committed reading returned
	foreign     int // records that are no events: the intruder's
	tail        int // events that the sidecar's own verb reads between them
	exits       exits
	java        int // records that Kafka's own client read and franz-go did not, or the other way round
}

func readBack(ctx context.Context, w *world) (*readback, error) {
	b := &readback{exits: make(exits)}
	exitsIn := make(map[int32]int)
	var err error
	if b.events, err = newJournal(w.dir); err != nil {
		return nil, err
	}
	b.events.reconciled = w.reconciled
	aborted, err := abortedSpots(ctx, w.brokers)
	if err != nil {
		return nil, err
	}
	b.aborted = len(aborted)
	type partition struct {
		topic string
		id    int32
	}
	last, all := make(map[partition]string), make(map[string]bool)
	err = readTopics(ctx, w.brokers, kgo.ReadCommitted(), func(r *kgo.Record) error {
		if r.Attrs.IsControl() {
			return nil
		}
		if aborted[spotOf(r)] {
			b.abortedSeen++
		}
		all[line(r)] = true
		if isForeign(r) {
			b.foreign++
			return nil
		}
		p, sequence := partition{r.Topic, r.Partition}, header(r, "ce_sequence")
		if sequence <= last[p] {
			b.disorder++
		}
		last[p] = sequence
		b.exits.add(r, exitsIn)
		b.events.addLink(sequence, header(r, "ce_number"), header(r, "ce_chain"), r.Value)
		return b.events.add(sequence, r.Value)
	})
	if err != nil || w.kafka == nil {
		return b, err
	}
	if b.java, err = javaDisagrees(ctx, w, all); err != nil {
		return b, err
	}
	b.tail, err = readByTail(ctx, w)
	return b, err
}

// abortedSpots follows every transaction to its marker.
func abortedSpots(ctx context.Context, addrs []string) (map[spot]bool, error) {
	type writer struct {
		topic     string
		partition int32
		id        int64
	}
	open, aborted := make(map[writer][]spot), make(map[spot]bool)
	err := readTopics(ctx, addrs, kgo.ReadUncommitted(), func(r *kgo.Record) error {
		w := writer{r.Topic, r.Partition, r.ProducerID}
		switch {
		case !r.Attrs.IsControl() && !r.Attrs.IsTransactional():
			return nil
		case !r.Attrs.IsControl():
			open[w] = append(open[w], spotOf(r))
			return nil
		}
		if len(r.Key) < 4 {
			return errors.New("a control record without a type")
		}
		if binary.BigEndian.Uint16(r.Key[2:]) == 0 {
			for _, s := range open[w] {
				aborted[s] = true
			}
		}
		delete(open, w)
		return nil
	})
	if err == nil && len(open) > 0 {
		err = errors.New("a transaction is still open")
	}
	return aborted, err
}

// readTopics reads every record up to the end of each partition.
func readTopics(ctx context.Context, addrs []string, level kgo.IsolationLevel, take func(*kgo.Record) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topics()...), kgo.FetchIsolationLevel(level),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	var left map[string]map[int32]int64
	err = eventually(ctx, "wait for the last transaction's markers", func() (err error) {
		left, err = settledEnds(ctx, kadm.NewClient(client))
		return err
	})
	for err == nil && len(left) > 0 {
		fetches := client.PollFetches(ctx)
		err = fetches.Err()
		fetches.EachRecord(func(r *kgo.Record) {
			err = errors.Join(err, take(r))
			if end, ok := left[r.Topic][r.Partition]; ok && r.Offset+1 >= end {
				if delete(left[r.Topic], r.Partition); len(left[r.Topic]) == 0 {
					delete(left, r.Topic)
				}
			}
		})
	}
	return err
}

// settledEnds returns the end of each partition that has records. EndTxn is answered before its markers are everywhere,
// so that the last stable offset may still be behind for a moment: that is an error here.
func settledEnds(ctx context.Context, admin *kadm.Client) (map[string]map[int32]int64, error) {
	stable, err := admin.ListCommittedOffsets(ctx, topics()...)
	if err != nil {
		return nil, err
	}
	ends, err := admin.ListEndOffsets(ctx, topics()...)
	if err != nil {
		return nil, err
	}
	err = errors.Join(stable.Error(), ends.Error())
	left := make(map[string]map[int32]int64)
	ends.Each(func(o kadm.ListedOffset) {
		if s, ok := stable.Lookup(o.Topic, o.Partition); !ok || s.Offset != o.Offset {
			err = errors.New("a transaction is open")
		}
		if o.Offset > 0 {
			if left[o.Topic] == nil {
				left[o.Topic] = make(map[int32]int64)
			}
			left[o.Topic][o.Partition] = o.Offset
		}
	})
	return left, err
}
