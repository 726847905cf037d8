package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/sink"
)

// roundWait is how long a round of fetches waits for something to read. All leaders are asked at once and a round ends
// with the slowest, so it is also how late an event may come when another leader has nothing.
const roundWait = 100 * time.Millisecond

// ReadState implements Reader.
func (k *Sink) ReadState(ctx context.Context, load func(key string, value []byte) error) error {
	leaders, err := k.leaders(ctx, []string{k.stateTopic()})
	if err != nil {
		return err
	}
	var ids []int
	for at := range leaders {
		ids = append(ids, at.id)
	}
	slices.Sort(ids)
	return k.readState(ctx, ids, load)
}

// clockSlack is how much earlier than its event a record may be stamped: a broker takes no timestamp far in its future, so
// where Postgres' clock runs ahead, records get what the broker takes.
const clockSlack = 24 * time.Hour

// stampedSince returns when the record of an event since some time was stamped at the earliest.
func stampedSince(since time.Time) time.Time {
	if now := time.Now(); since.After(now) {
		since = now
	}
	return since.Add(-clockSlack)
}

// ReadEvents implements Reader.
func (k *Sink) ReadEvents(ctx context.Context, r sink.Range, visit func(*sink.Stored) error) error {
	leaders, err := k.leaders(ctx, k.eventTopics(r.Topics))
	if err != nil {
		return err
	}
	cursors, err := k.cursors(ctx, leaders, r.Since)
	if err != nil {
		return err
	}
	if !r.Since.IsZero() {
		visit = r.Filter(visit)
	}
	foreign := r.Foreign
	if foreign == nil {
		foreign = k.tellForeign
	}
	for _, c := range cursors {
		c.foreign = foreign
	}
	if err := merge(ctx, cursors, visit); err != nil || !r.Follow {
		return err
	}
	at := make(map[partition]int64)
	for _, c := range cursors {
		at[c.partition] = c.next
	}
	err = k.follow(ctx, at, func(f found) error {
		for _, one := range f.foreign {
			if err := foreign(one); err != nil {
				return err
			}
		}
		for i := range f.events {
			if err := visit(&f.events[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// eventTopics returns the full names of topics, of all event topics when none is given.
func (k *Sink) eventTopics(names []string) []string {
	all := k.Topics()
	if len(names) == 0 {
		return all[:len(all)-1]
	}
	full := make([]string, 0, len(names))
	for _, name := range names {
		full = append(full, k.config.TopicPrefix+name)
	}
	return full
}

// leaders returns the leader of each partition of the topics.
func (k *Sink) leaders(ctx context.Context, topics []string) (leaders map[partition]int, err error) {
	if err := k.reach(ctx); err != nil {
		return nil, err
	}
	err = k.retry(ctx, func() error {
		leaders = make(map[partition]int)
		meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
		if err != nil {
			return err
		}
		for _, t := range meta.Topics {
			if t.Error != nil {
				return fmt.Errorf("topic %q: %w", t.Name, t.Error)
			}
			for _, p := range t.Partitions {
				leaders[partition{t.Name, p.ID}] = p.Leader.ID
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find topics: %w", unreachable(err, k.config))
	}
	return leaders, nil
}

// Kept implements Reader. Whether the topics were copied here without their beginning it knows from the state, which it reads unless
// that was done before.
func (k *Sink) Kept(ctx context.Context) ([]sink.Kept, error) {
	if k.move.from == "" {
		if err := k.ReadState(ctx, func(string, []byte) error { return nil }); err != nil && ctx.Err() != nil {
			return nil, err // else the missing numbers are told
		}
	}
	leaders, err := k.leaders(ctx, k.eventTopics(nil))
	if err != nil {
		return nil, err
	}
	cursors, err := k.cursors(ctx, leaders, time.Time{})
	if err != nil {
		return nil, err
	}
	settings, err := k.describe(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the topics' settings: %w", explain(err))
	}
	kept := make([]sink.Kept, 0, len(cursors))
	for _, c := range cursors {
		kept = append(kept, sink.Kept{Topic: c.topic, Partition: c.id, First: c.next,
			Compacted: strings.Contains(settings[c.topic][cleanupPolicy], "compact"), Late: k.move.late && c.next < c.end})
	}
	return kept, nil
}

// cursor reads one partition from next up to end.
type cursor struct {
	partition
	k         *Sink
	next, end int64
	records   []sink.Stored
	sequences []string // of records
	foreign   func(*sink.Foreign) error
	seen      int64 // records before this offset were handed out: a fetch that is repeated brings some again
}

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
			cursors = append(cursors, &cursor{partition: at, k: k, next: first, end: stable})
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
		c.next, err = c.k.fetchCommitted(ctx, c.partition, c.next, c.end, c.k.events(ctx, c.add, c.addForeign))
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

// tellForeign calls the configured handler. Without one, a record that is no event ends the reading.
func (k *Sink) tellForeign(f *sink.Foreign) error {
	if k.config.Foreign == nil {
		return f
	}
	k.config.Foreign(f)
	return nil
}

// events returns a visitor of an event topic: it tells events from what is foreign there.
func (k *Sink) events(ctx context.Context, event func(sink.Stored) error, foreign func(*sink.Foreign) error) visitor {
	return visitor{limit: eventBatch,
		record: func(r sink.Stored) error {
			f, err := k.unwrap(ctx, &r)
			switch {
			case err != nil:
				return err
			case f != nil:
				return foreign(f)
			}
			return event(r)
		},
		broken: func(at partition, offset int64, size int, err error) error {
			return foreign(&sink.Foreign{Topic: at.topic, Partition: at.id, Offset: offset, Size: size, Why: fmt.Sprintf("%.200q", err)})
		}}
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

// found is what partitions have brought together: events in the order of sequence, records that are none, and where each
// partition continues that has moved.
type found struct {
	events  []sink.Stored
	foreign []*sink.Foreign
	moved   map[partition]int64
}

// follow reads partitions from the given offsets on, until ctx ends or visit returns an error. visit is called also when
// nothing was found, about ten times a second.
func (k *Sink) follow(ctx context.Context, at map[partition]int64, visit func(found) error) error {
	var leaders map[partition]int
	for ctx.Err() == nil {
		if leaders == nil {
			var err error
			if leaders, err = k.leaders(ctx, topicsOf(at)); err != nil {
				return err
			}
		}
		f, err := k.round(ctx, leaders, at)
		if err != nil {
			if ctx.Err() != nil || !isRetriable(err) {
				return explain(err)
			}
			leaders = nil // they may have moved
			k.transport.CloseIdleConnections()
			pause(ctx, roundWait)
			if len(f.moved) == 0 {
				continue
			}
		}
		if err := visit(f); err != nil {
			return err
		}
		maps.Copy(at, f.moved)
	}
	return ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func topicsOf(at map[partition]int64) []string {
	var topics []string
	for p := range at {
		if !slices.Contains(topics, p.topic) {
			topics = append(topics, p.topic)
		}
	}
	return topics
}

// round asks every leader once. Beside an error it still returns what the other leaders answered.
func (k *Sink) round(ctx context.Context, leaders map[partition]int, at map[partition]int64) (all found, err error) {
	byLeader := make(map[int]map[partition]int64)
	for p, offset := range at {
		id := leaders[p]
		if byLeader[id] == nil {
			byLeader[id] = make(map[partition]int64)
		}
		byLeader[id][p] = offset
	}
	all.moved = make(map[partition]int64)
	var mu sync.Mutex
	var asked sync.WaitGroup
	for _, offsets := range byLeader {
		asked.Go(func() {
			f, failed := k.ask(ctx, offsets)
			mu.Lock()
			defer mu.Unlock()
			all.events, all.foreign = append(all.events, f.events...), append(all.foreign, f.foreign...)
			maps.Copy(all.moved, f.moved)
			err = errors.Join(err, failed)
		})
	}
	asked.Wait()
	slices.SortFunc(all.events, func(a, b sink.Stored) int { return strings.Compare(a.Sequence(), b.Sequence()) })
	return all, err
}

// ask reads once from one leader.
func (k *Sink) ask(ctx context.Context, offsets map[partition]int64) (f found, err error) {
	answers, err := k.fetch(ctx, offsets, roundWait)
	if err != nil {
		return f, err
	}
	f.moved = make(map[partition]int64)
	events := k.events(ctx,
		func(r sink.Stored) error { f.events = append(f.events, r); return nil },
		func(one *sink.Foreign) error { f.foreign = append(f.foreign, one); return nil })
	for p, answer := range answers {
		next, err := committed(p, answer, offsets[p], events)
		if err != nil {
			return found{}, fmt.Errorf("read %s/%d: %w", p.topic, p.id, err)
		}
		if next != offsets[p] {
			f.moved[p] = next
		}
	}
	return f, nil
}
