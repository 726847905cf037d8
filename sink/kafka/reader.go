package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	err = k.follow(ctx, at, k.addNew, func(f found) error {
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
