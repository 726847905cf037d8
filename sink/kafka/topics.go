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

// EnsureTopics creates the topics that are missing and returns their names. It never changes one that is there.
func (k *Sink) EnsureTopics(ctx context.Context) (created []string, err error) {
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
	if err != nil {
		return nil, fmt.Errorf("set up topics: %w", unreachable(err, k.config))
	}
	return created, nil
}

func (k *Sink) create(ctx context.Context, missing []kafka.TopicConfig) (created []string, err error) {
	response, err := k.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
	if err != nil {
		return nil, err
	}
	for name, err := range response.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return nil, fmt.Errorf("create topic %q: %w", name, err)
		}
	}
	for _, t := range missing {
		created = append(created, t.Topic)
	}
	return created, nil
}

func (k *Sink) topicConfig(name string, copies int) kafka.TopicConfig {
	config := kafka.TopicConfig{Topic: name, NumPartitions: eventPartitions, ReplicationFactor: copies}
	if copies == replicas {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: "min.insync.replicas", ConfigValue: "2"})
	}
	if name == k.stateTopic() {
		config.NumPartitions = 1
		config.ConfigEntries = append(config.ConfigEntries,
			kafka.ConfigEntry{ConfigName: "cleanup.policy", ConfigValue: "compact"},
			kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(stateLimit)},
			// Only closed segments are compacted, and every start reads the open one: the smallest that takes the largest batch.
			kafka.ConfigEntry{ConfigName: "segment.bytes", ConfigValue: strconv.Itoa(stateLimit)},
			kafka.ConfigEntry{ConfigName: "segment.ms", ConfigValue: "600000"},
			kafka.ConfigEntry{ConfigName: "min.cleanable.dirty.ratio", ConfigValue: "0.1"},
			// Removals, and the end of every transaction, are kept for so long: more than a start ever reads.
			kafka.ConfigEntry{ConfigName: "delete.retention.ms", ConfigValue: "3600000"})
	}
	return config
}

// messageLimits reads each topic's max.message.bytes; where the right to read it is missing, the default counts.
func (k *Sink) messageLimits(ctx context.Context) map[string]int {
	limits, settings := make(map[string]int), k.topicSettings(ctx, "max.message.bytes")
	for _, name := range k.Topics() {
		limits[name] = defaultLimit
		if n, err := strconv.Atoi(settings[name]); err == nil {
			limits[name] = n
		}
	}
	return limits
}

// topicSettings reads one setting of every topic, as far as there is a right to.
func (k *Sink) topicSettings(ctx context.Context, setting string) map[string]string {
	values, request := make(map[string]string), &kafka.DescribeConfigsRequest{}
	for _, name := range k.Topics() {
		request.Resources = append(request.Resources, kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic,
			ResourceName: name, ConfigNames: []string{setting}})
	}
	response, err := k.client.DescribeConfigs(ctx, request)
	if err != nil {
		return values
	}
	for _, r := range response.Resources {
		for _, entry := range r.ConfigEntries {
			if entry.ConfigName == setting {
				values[r.ResourceName] = entry.ConfigValue
			}
		}
	}
	return values
}

// unreachable says in one line that nobody answers.
func unreachable(err error, config Config) error {
	if !isRetriable(err) {
		return err
	}
	return fmt.Errorf("no answer from Kafka at %v: %w", config.Brokers, err)
}
