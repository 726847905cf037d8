package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/sink"
)

// cursor reads one partition from next up to end.
type cursor struct {
	partition
	k         *Sink
	next, end int64
	each      int // bytes of a fetch
	records   []sink.Stored
	sequences []string // of records
	foreign   func(*sink.Foreign) error
	seen      int64 // records before this offset were handed out: a fetch that is repeated brings some again
}

const (
	// mergeBytes is what the cursors of a reading hold together: they all wait while the events of one are handed out. A batch that is
	// larger than a cursor's part comes all the same.
	mergeBytes    = 8 << 20
	fewestAtATime = 64 << 10 // bytes: below that a fetch costs more than it brings
)

// cursors returns one for each partition, at its first record or the first one since a time.
func (k *Sink) cursors(ctx context.Context, partitions map[partition]int, since time.Time) ([]*cursor, error) {
	cursors := make([]*cursor, 0, len(partitions))
	var mu sync.Mutex
	var failed error
	var all sync.WaitGroup
	for at := range partitions {
		all.Go(func() {
			first, stable, err := k.offsets(ctx, at.topic, at.id)
			if err == nil && !since.IsZero() {
				first, err = k.offsetSince(ctx, at, stampedSince(since), stable)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = fmt.Errorf("read offsets of %s/%d: %w", at.topic, at.id, err)
			}
			cursors = append(cursors, &cursor{partition: at, k: k, next: first, end: stable,
				each: min(max(mergeBytes/len(partitions), fewestAtATime), partitionBytes)})
		})
	}
	all.Wait()
	slices.SortFunc(cursors, func(a, b *cursor) int {
		return cmp.Or(strings.Compare(a.topic, b.topic), cmp.Compare(a.id, b.id))
	})
	return cursors, failed
}

// offsetSince returns the offset of the first record that is not older than since, the end when there is none.
func (k *Sink) offsetSince(ctx context.Context, at partition, since time.Time, end int64) (offset int64, err error) {
	offset = end
	err = k.retry(ctx, func() error {
		response, err := k.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{IsolationLevel: kafka.ReadCommitted,
			Topics: map[string][]kafka.OffsetRequest{at.topic: {kafka.TimeOffsetOf(at.id, since)}}})
		if err != nil {
			return err
		}
		for _, p := range response.Topics[at.topic] {
			if p.Error != nil {
				return p.Error
			}
			for found := range p.Offsets {
				if found >= 0 {
					offset = min(offset, found)
				}
			}
		}
		return nil
	})
	return offset, err
}

// fill reads on until there is a record, or the end is reached.
func (c *cursor) fill(ctx context.Context) (err error) {
	for len(c.records) == 0 && c.next < c.end {
		v := c.k.events(ctx, c.add, c.addForeign)
		v.each = c.each
		c.next, err = c.k.fetchCommitted(ctx, c.partition, c.next, c.end, v)
		if errors.Is(err, kafka.OffsetOutOfRange) {
			return fmt.Errorf("read %s/%d: the records at %d were removed, by retention or by somebody, while they were to be read; run the same again: %w",
				c.topic, c.id, c.next, err)
		}
		if err != nil {
			return fmt.Errorf("read %s/%d at %d: %w", c.topic, c.id, c.next, err)
		}
		c.next = min(c.next, c.end)
	}
	return nil
}

func (c *cursor) add(r sink.Stored) error {
	if r.Offset >= c.seen && r.Offset < c.end {
		c.records, c.sequences = append(c.records, r), append(c.sequences, r.Sequence())
		c.seen = r.Offset + 1
	}
	return nil
}

func (c *cursor) addForeign(f *sink.Foreign) error {
	if f.Offset < c.seen || f.Offset >= c.end {
		return nil
	}
	c.seen = f.Offset + 1
	return c.foreign(f)
}

// merge hands out the records of all cursors by sequence: within a partition they are in that order already.
func merge(ctx context.Context, cursors []*cursor, visit func(*sink.Stored) error) error {
	for {
		var first *cursor
		for _, c := range cursors {
			if err := c.fill(ctx); err != nil {
				return err
			}
			if len(c.records) > 0 && (first == nil || c.sequences[0] < first.sequences[0]) {
				first = c
			}
		}
		if first == nil {
			return nil
		}
		record := first.records[0]
		first.records, first.sequences = first.records[1:], first.sequences[1:]
		if err := visit(&record); err != nil {
			return err
		}
	}
}
