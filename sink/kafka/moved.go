package kafka

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// The topics, the state's among them, may be copied to another cluster, and the stream goes on there. A copy that is not whole
// would lose events without a word, or bring them twice. So the state remembers in which cluster it was written, and at the
// first start in another one it must end with the same event as the topics do.

const (
	// clusterKey ends the key of the record that remembers the cluster. The pipeline never sees it.
	clusterKey = "#cluster"
	// lateKey ends the key of a record that is there when the topics were copied without the beginning of the history.
	lateKey = "#late"
	// ofReplay is the cluster of a state that replay has copied: the first start looks whether the events are with it.
	ofReplay = "of lowcap-cdc replay"
)

// move is what is known of the cluster that the state was written in.
type move struct {
	from string        // the cluster that wrote the state; empty when an older version did, or nobody
	to   string        // the cluster that is here; empty when the state remembers it already
	late bool          // the topics were copied without the beginning of the history
	last schemas.Chain // the last event of the state's checkpoint
	kept []byte        // that checkpoint as it stands in the topic, which holds very many
}

// take looks at a record of the state topic.
func (m *move) take(r *sink.Stored, slot string) {
	switch string(r.Key) {
	case slot + clusterKey:
		m.from = string(r.Value)
	case slot + lateKey:
		m.late = r.Value != nil
	case slot + "/" + cdc.CheckpointKey:
		m.kept = append(m.kept[:0], r.Value...)
	}
}

// Arrive compares the topics with the state that was read last when they have come from another cluster. It returns the error
// with which Resume refuses a copy that is not whole.
func (k *Sink) Arrive(ctx context.Context) error {
	meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{k.stateTopic()}})
	if err != nil {
		return fmt.Errorf("ask for the cluster's id: %w", explain(err))
	}
	if k.move.to = meta.ClusterID; k.config.Copy {
		k.move.to = ofReplay
	}
	if k.move.from == k.move.to {
		k.move.to = ""
		return nil
	}
	if k.move.from == "" || len(k.move.kept) == 0 || k.config.Copy {
		return nil // nothing is known to compare
	}
	state := cdc.NewState()
	if err := state.Load(cdc.CheckpointKey, k.move.kept); err != nil {
		return err
	}
	k.move.last = state.Checkpoint.Events
	found, err := k.Newest(ctx)
	if err != nil {
		return fmt.Errorf("look whether the copy of the topics is whole: %w", err)
	}
	if !k.config.WithoutEvents || found.Number >= k.move.last.Number {
		if err := k.move.check(found, k.config.TopicPrefix, k.stateTopic()); err != nil {
			return err
		}
	}
	first, err := k.oldest(ctx)
	k.move.late = k.move.late || first != 1
	return err
}

// records are what the sink remembers of a move; none when it remembers it already.
func (m *move) records(slot string) (all []record) {
	if m.to != "" {
		all = append(all, record{key: slot + clusterKey, value: []byte(m.to)})
	}
	if m.to != "" && m.late {
		all = append(all, record{key: slot + lateKey, value: []byte("1")})
	}
	return all
}

// check refuses a copy that is not whole. found is the newest event in the topics.
func (m *move) check(found schemas.Chain, prefix, stateTopic string) error {
	again, what := "copy all of them, the state's too, after run was stopped and its last transaction has ended", ""
	switch {
	case found.Number < m.last.Number:
		what = fmt.Sprintf("the topics %s* end with event %d, and the state in %s with event %d: events are missing", prefix, found.Number,
			stateTopic, m.last.Number)
		again += "; or, where they are gone for good, run: lowcap-cdc reconcile"
	case found.Number > m.last.Number:
		what = fmt.Sprintf("the state in %s ends with event %d, and the topics %s* with event %d: it is an older copy", stateTopic, m.last.Number,
			prefix, found.Number)
	case found.Hash != m.last.Hash:
		what = fmt.Sprintf("event %d in the topics %s* is not the one that the state in %s ends with", found.Number, prefix, stateTopic)
	default:
		return nil
	}
	return &sink.ClusterError{Err: fmt.Errorf("the topics were copied here from cluster %q, and not as a whole: %s", m.from, what), Repair: again}
}

// oldest returns the number of the first event of the history that is in the topics; 0 where there is none.
func (k *Sink) oldest(ctx context.Context) (number uint64, err error) {
	leaders, err := k.leaders(ctx, k.eventTopics(nil))
	if err != nil {
		return 0, err
	}
	cursors, err := k.cursors(ctx, leaders, time.Time{})
	if err != nil {
		return 0, err
	}
	for _, c := range cursors {
		c.foreign = func(*sink.Foreign) error { return nil }
		if err := c.fill(ctx); err != nil {
			return 0, err
		}
		if len(c.records) == 0 {
			continue
		}
		if first := c.records[0].Attributes().Number; number == 0 || first < number {
			number = first
		}
	}
	return number, nil
}

// Newest returns the committed event with the highest number; the zero value when there is none.
func (k *Sink) Newest(ctx context.Context) (newest schemas.Chain, err error) {
	leaders, err := k.leaders(ctx, k.eventTopics(nil))
	if err != nil {
		return newest, err
	}
	for at := range leaders {
		first, end, err := k.offsets(ctx, at.topic, at.id)
		if err != nil {
			return newest, err
		}
		found := false
		v := k.events(ctx, func(r sink.Stored) error {
			found = true
			if number := r.Attributes().Number; number > newest.Number {
				newest.Add(number, r.Value)
			}
			return nil
		}, func(*sink.Foreign) error { return nil })
		// The last records may be markers, or of transactions that were aborted.
		for back := int64(16); !found; back *= 16 {
			from := max(first, end-back)
			for at, next := at, from; next < end; {
				if next, err = k.fetchCommitted(ctx, at, next, end, v); err != nil {
					return newest, err
				}
			}
			if from == first || back > math.MaxInt64/16 {
				break
			}
		}
	}
	return newest, nil
}
