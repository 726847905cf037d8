package kafka

import (
	"context"
	"fmt"
	"math"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// The topics, the state's among them, may be copied to another cluster, and the stream goes on there. A copy that is not whole
// would lose events without a word, or bring them twice. So the state remembers in which cluster it was written, and at the
// first start in another one it must end with the same event as the topics do.

// clusterKey ends the key of the record that remembers the cluster. The pipeline never sees it.
const clusterKey = "#cluster"

// move is what is known of the cluster that the state was written in.
type move struct {
	from string        // the cluster that wrote the state; empty when an older version did, or nobody
	to   string        // the cluster that is here; empty when the state remembers it already
	last schemas.Chain // the last event of the state's checkpoint
	kept []byte        // that checkpoint as it stands in the topic, which holds very many
}

// take looks at a record of the state topic.
func (m *move) take(r *sink.Stored, slot string) {
	switch string(r.Key) {
	case slot + clusterKey:
		m.from = string(r.Value)
	case slot + "/" + cdc.CheckpointKey:
		m.kept = append(m.kept[:0], r.Value...)
	}
}

// arrive compares the topics with the state when they have come from another cluster.
func (k *Sink) arrive(ctx context.Context) error {
	meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{k.stateTopic()}})
	if err != nil {
		return fmt.Errorf("ask for the cluster's id: %w", explain(err))
	}
	if k.move.to = meta.ClusterID; k.move.from == k.move.to {
		k.move.to = ""
		return nil
	}
	if k.move.from == "" || len(k.move.kept) == 0 {
		return nil // nothing is known to compare
	}
	state := cdc.NewState()
	if err := state.Load(cdc.CheckpointKey, k.move.kept); err != nil {
		return err
	}
	k.move.last = state.Checkpoint.Events
	found, err := k.newest(ctx)
	if err != nil {
		return fmt.Errorf("look whether the copy of the topics is whole: %w", err)
	}
	if k.config.WithoutEvents && found.Number < k.move.last.Number {
		return nil
	}
	return k.move.check(found, k.config.TopicPrefix, k.stateTopic())
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

// newest returns the event with the highest number; the zero value when there is none.
func (k *Sink) newest(ctx context.Context) (newest schemas.Chain, err error) {
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
