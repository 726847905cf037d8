package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"
)

const (
	eventPartitions = 6
	replicas        = 3
	defaultLimit    = 1048588  // a topic's max.message.bytes unless it says otherwise
	stateLimit      = 16 << 20 // an image holds a whole history
)

// EnsureTopics creates the topics that are missing and returns their names. It never changes one that is there; one whose
// settings break the promise is a ClusterError.
func (k *Sink) EnsureTopics(ctx context.Context) (created []string, err error) {
	if err := k.reach(ctx); err != nil {
		return nil, fmt.Errorf("set up topics: %w", err)
	}
	err = k.retry(ctx, func() error {
		created = nil
		meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: k.Topics()})
		if err != nil {
			return err
		}
		var missing []kafka.TopicConfig
		for _, t := range meta.Topics {
			if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
				missing = append(missing, k.topicConfig(t.Name, min(replicas, len(meta.Brokers))))
			} else if t.Error != nil {
				return fmt.Errorf("topic %q: %w", t.Name, t.Error)
			}
		}
		if len(missing) == 0 {
			return nil
		}
		created, err = k.create(ctx, missing)
		return err
	})
	if err == nil {
		err = k.retry(ctx, func() error {
			copies, err := k.copies(ctx)
			if err != nil {
				return notYet(err, created)
			}
			settings, err := k.describe(ctx)
			if err != nil {
				return notYet(err, created)
			}
			return k.checkSettings(settings, copies)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("set up topics: %w", unreachable(err, k.config))
	}
	return created, nil
}

// notYet makes of a topic that nobody knows one that will be known soon, if this process has just created topics: a busy broker
// hears of them from the controller seconds later.
func notYet(err error, created []string) error {
	if len(created) > 0 && errors.Is(err, kafka.UnknownTopicOrPartition) {
		return fmt.Errorf("the broker does not know yet what was just created: %w", kafka.LeaderNotAvailable)
	}
	return err
}

// copies returns how many replicas each topic has.
func (k *Sink) copies(ctx context.Context) (map[string]int, error) {
	meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: k.Topics()})
	if err != nil {
		return nil, err
	}
	return copiesOf(meta)
}

func copiesOf(meta *kafka.MetadataResponse) (map[string]int, error) {
	copies := make(map[string]int)
	for _, t := range meta.Topics {
		if t.Error != nil {
			return nil, fmt.Errorf("topic %q: %w", t.Name, t.Error)
		}
		for _, p := range t.Partitions {
			copies[t.Name] = len(p.Replicas)
		}
	}
	return copies, nil
}

func (k *Sink) create(ctx context.Context, missing []kafka.TopicConfig) (created []string, err error) {
	response, err := k.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
	if err != nil {
		return nil, err
	}
	for _, t := range missing {
		switch err := response.Errors[t.Topic]; {
		case err == nil:
			created = append(created, t.Topic)
		case !errors.Is(err, kafka.TopicAlreadyExists):
			return nil, fmt.Errorf("create topic %q: %w", t.Topic, err)
		}
	}
	return created, nil
}

func (k *Sink) topicConfig(name string, copies int) kafka.TopicConfig {
	config := kafka.TopicConfig{Topic: name, NumPartitions: eventPartitions, ReplicationFactor: copies}
	if copies == replicas {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: minInsync, ConfigValue: "2"})
	}
	if name != k.stateTopic() {
		// A cluster may have another default.
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: cleanupPolicy, ConfigValue: "delete"})
	} else {
		config.NumPartitions = 1
		config.ConfigEntries = append(config.ConfigEntries,
			kafka.ConfigEntry{ConfigName: cleanupPolicy, ConfigValue: "compact"},
			kafka.ConfigEntry{ConfigName: maxMessage, ConfigValue: strconv.Itoa(stateLimit)},
			// Only closed segments are compacted, and every start reads the open one: the smallest that takes the largest batch.
			kafka.ConfigEntry{ConfigName: "segment.bytes", ConfigValue: strconv.Itoa(stateLimit)},
			kafka.ConfigEntry{ConfigName: "segment.ms", ConfigValue: "600000"},
			kafka.ConfigEntry{ConfigName: "min.cleanable.dirty.ratio", ConfigValue: "0.1"},
			// Removals, and the end of every transaction, are kept for so long: more than a start ever reads.
			kafka.ConfigEntry{ConfigName: deleteRetention, ConfigValue: "3600000"})
	}
	return config
}

// unreachable says in one line that no broker answers.
func unreachable(err error, config Config) error {
	if !isRetriable(err) {
		return err
	}
	return fmt.Errorf("no answer from Kafka at %v: %w", config.Brokers, err)
}
