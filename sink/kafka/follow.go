package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"lowcap-cdc/sink"
)

// found is what partitions have brought together: events in the order of sequence, records that are none, and where each
// partition continues that has moved.
type found struct {
	events  []sink.Stored
	foreign []*sink.Foreign
	moved   map[partition]int64
}

// lookAgain is how often a reader looks whether its topics have got more partitions.
const lookAgain = 5 * time.Second

// addNew adds the partitions that are new to what is followed: all that is in them has come meanwhile.
func (k *Sink) addNew(ctx context.Context, leaders map[partition]int, at map[partition]int64) error {
	for p := range leaders {
		if _, known := at[p]; !known {
			first, _, err := k.offsets(ctx, p.topic, p.id)
			if errors.Is(err, protocol.ErrNoPartition) {
				continue // not everybody has heard of it
			}
			if err != nil {
				return fmt.Errorf("read offsets of %s/%d: %w", p.topic, p.id, err)
			}
			at[p] = first
		}
	}
	return nil
}

// follow reads partitions from the given offsets on, until ctx ends or visit returns an error. visit is called also when
// nothing was found, about ten times a second. add, when not nil, adds the partitions that the topics have got since.
func (k *Sink) follow(ctx context.Context, at map[partition]int64,
	add func(context.Context, map[partition]int, map[partition]int64) error, visit func(found) error,
) error {
	var leaders map[partition]int
	var looked, without time.Time // without: since when a partition is not there
	for ctx.Err() == nil {
		if leaders == nil || (add != nil && time.Since(looked) > lookAgain) {
			var err error
			if leaders, err = k.leaders(ctx, topicsOf(at)); err == nil && add != nil {
				err = add(ctx, leaders, at)
			}
			if err != nil {
				return err
			}
			looked = time.Now()
		}
		f, err := k.round(ctx, leaders, at)
		without = missingSince(without, err)
		if err != nil {
			if isNew := !without.IsZero() && time.Since(without) < retryBudget; ctx.Err() != nil || (!isNew && !isRetriable(err)) {
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

// missingSince returns since when the library does not know a partition, given what came of the last round. It may be a new one of which
// not everybody has heard; later there is none.
func missingSince(before time.Time, err error) time.Time {
	switch {
	case !errors.Is(err, protocol.ErrNoPartition):
		return time.Time{}
	case before.IsZero():
		return time.Now()
	}
	return before
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
	answers, err := k.fetch(ctx, offsets, partitionBytes, roundWait)
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
