package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/sink"
)

// Member is told what happens to a member of a consumer group.
type Member struct {
	// Assigned is told how many partitions the member reads from now on.
	Assigned func(partitions int)
	// Deliver gets each event. An error from it ends Consume.
	Deliver func(context.Context, *sink.Stored) error
}

// Consume reads topics (without prefix; none means all) as a member of a consumer group, until ctx ends; then it
// returns nil. The member gets each committed event, in the order of sequence as far as events were found together; its
// offset is committed after Deliver has returned nil, so after a crash an event may come again, and none is left out. A
// group that has read nothing yet begins with what is committed from now on.
//
// The library's group finds out who reads what, and keeps the offsets; the records are read here, because its reader
// hands out aborted ones too.
func (k *Sink) Consume(ctx context.Context, group string, topics []string, m Member) error {
	members, err := k.join(group, topics)
	if err != nil {
		return err
	}
	defer members.Close() //nolint:errcheck // what was delivered is committed
	for {
		generation, err := members.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !isRetriable(err):
			return fmt.Errorf("join consumer group %q: %w", group, explainGroup(err))
		case err != nil:
			pause(ctx, time.Second)
			continue
		}
		err = k.consumeGeneration(ctx, generation, m)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !endsGeneration(err) {
			return err
		}
	}
}

// endsGeneration reports whether an error only says that the group deals its partitions out anew.
func endsGeneration(err error) bool {
	for _, passing := range []error{context.Canceled, kafka.ErrGenerationEnded, kafka.RebalanceInProgress,
		kafka.IllegalGeneration, kafka.UnknownMemberId} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return isRetriable(err)
}

func (k *Sink) join(group string, topics []string) (*kafka.ConsumerGroup, error) {
	secure, err := tlsConfig(k.config)
	if err != nil {
		return nil, err
	}
	mechanism, err := saslMechanism(k.config)
	if err != nil {
		return nil, err
	}
	return kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: k.config.Brokers, Topics: k.eventTopics(topics), StartOffset: kafka.LastOffset,
		Dialer:           &kafka.Dialer{ClientID: clientID, Timeout: dialTimeout, DualStack: true, TLS: secure, SASLMechanism: mechanism},
		JoinGroupBackoff: time.Second, SessionTimeout: 10 * time.Second, WatchPartitionChanges: true,
	})
}

func explainGroup(err error) error {
	if errors.Is(err, kafka.GroupAuthorizationFailed) {
		return &sink.ClusterError{Err: err, Repair: "grant Read on the group"}
	}
	return explain(err)
}

// consumeGeneration reads the partitions that a generation of the group gives to this member, until that ends.
func (k *Sink) consumeGeneration(ctx context.Context, g *kafka.Generation, m Member) error {
	done := make(chan error, 1)
	g.Start(func(ended context.Context) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(ended, stop)()
		done <- k.consumePartitions(ctx, g, m)
	})
	return <-done
}

func (k *Sink) consumePartitions(ctx context.Context, g *kafka.Generation, m Member) error {
	at, err := k.assigned(ctx, g)
	if err == nil {
		m.Assigned(len(at))
	}
	if err != nil || len(at) == 0 {
		<-ctx.Done() // a member without partitions stays one: it takes over
		return err
	}
	return k.follow(ctx, at, func(f found) error {
		for _, one := range f.foreign {
			if err := k.tellForeign(one); err != nil {
				return err
			}
		}
		delivered := make(map[partition]int64)
		for i := range f.events {
			e := &f.events[i]
			if err := m.Deliver(ctx, e); err != nil {
				return errors.Join(err, commitOffsets(g, delivered))
			}
			delivered[partition{e.Topic, e.Partition}] = e.Offset + 1
		}
		return commitOffsets(g, f.moved)
	})
}

// assigned returns where each partition goes on. Where the group has never been, that is the end of now, and it is
// committed at once: an event that comes before the first delivery would otherwise be passed over by a crash.
func (k *Sink) assigned(ctx context.Context, g *kafka.Generation) (map[partition]int64, error) {
	at, fresh := make(map[partition]int64), make(map[partition]int64)
	for topic, assignments := range g.Assignments {
		for _, a := range assignments {
			p := partition{topic, a.ID}
			first, stable, err := k.offsets(ctx, topic, a.ID)
			if err != nil {
				return nil, fmt.Errorf("read offsets of %s/%d: %w", topic, a.ID, err)
			}
			at[p] = max(a.Offset, first) // retention may have passed by
			if a.Offset < 0 {
				at[p], fresh[p] = stable, stable
			}
		}
	}
	return at, commitOffsets(g, fresh)
}

func commitOffsets(g *kafka.Generation, moved map[partition]int64) error {
	offsets := make(map[string]map[int]int64)
	for p, offset := range moved {
		if offsets[p.topic] == nil {
			offsets[p.topic] = make(map[int]int64)
		}
		offsets[p.topic][p.id] = offset
	}
	if err := g.CommitOffsets(offsets); err != nil {
		return fmt.Errorf("commit consumer offsets: %w", err)
	}
	return nil
}
