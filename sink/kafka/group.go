package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"lowcap-cdc/sink"
)

// Member is told what happens to a member of a consumer group.
type Member struct {
	// Since is where a group begins that has no place yet: with what is committed at that time or later. The zero time is
	// now.
	Since time.Time
	// Assigned is told what the member reads from now on, when its places are committed.
	Assigned func(Assignment)
	// Interrupted is told why reading stopped. It begins again by itself.
	Interrupted func(error)
	// Deliver gets what a round found, at least ten times a second also when that is nothing. An error from it ends
	// Consume.
	Deliver func(context.Context, *sink.Round) error
}

// Assignment is what a member of a group reads.
type Assignment struct {
	Partitions int
	// Removed are the records, at most, that the topics lost, by retention or because they were made anew, before the
	// group had read them. The group's place moves behind them with the first round that is handled, not before.
	Removed int64
	// Oldest is the sum of the offsets at which the partitions with such a loss go on: another loss has another one.
	Oldest int64
}

// Consume reads topics (without prefix; none means all) as a member of a consumer group, until ctx ends; then it
// returns nil. The member gets each committed event, in the order of sequence as far as events were found together; what
// it has not called handled comes again, after a crash too. A group that has no place yet begins with what is committed
// from now on.
//
// The library's group finds out who reads what; the records are read here, because its reader hands out aborted ones
// too, and the offsets are committed here, because its commits have no room for a note.
func (k *Sink) Consume(ctx context.Context, group string, topics []string, m Member) error {
	if err := k.reach(ctx); err != nil {
		return err
	}
	members, err := k.join(group, topics)
	if err != nil {
		return err
	}
	defer members.Close() //nolint:errcheck // what was delivered is committed
	missing := make(map[string]bool)
	for {
		generation, err := members.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !isRetriable(err):
			return fmt.Errorf("join consumer group %q: %w", group, explainGroup(err))
		case err != nil:
			m.Interrupted(err)
			pause(ctx, time.Second)
			continue
		}
		err = k.consumeGeneration(ctx, &membership{k: k, generation: generation, member: m, missing: missing, topics: k.eventTopics(topics)})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !endsGeneration(err) {
			return err
		}
		if err != nil {
			m.Interrupted(err)
		}
	}
}

// endsGeneration reports whether an error only says that the group deals its partitions out anew, or must: where retention has
// overtaken a member, the next generation finds out what was lost; of a new partition not everybody has heard yet.
func endsGeneration(err error) bool {
	for _, passing := range []error{context.Canceled, kafka.ErrGenerationEnded, kafka.RebalanceInProgress,
		kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.OffsetOutOfRange, protocol.ErrNoPartition} {
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
func (k *Sink) consumeGeneration(ctx context.Context, m *membership) error {
	done := make(chan error, 1)
	m.generation.Start(func(ended context.Context) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(ended, stop)()
		done <- m.consume(ctx)
	})
	return <-done
}
