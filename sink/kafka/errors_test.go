package kafka

import (
	"fmt"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// TestPartitionWithoutLeaderIsRetried: the client itself refuses to send to a partition that has no leader for a moment,
// with an error of its own that ended the run.
func TestPartitionWithoutLeaderIsRetried(t *testing.T) {
	if err := fmt.Errorf("produce: %w", protocol.NewErrNoLeader("lowcap.quarantine", 2)); !isRetriable(err) {
		t.Errorf("not retried: %v", err)
	}
	if err := protocol.NewErrNoPartition("lowcap.quarantine", 9); isRetriable(err) {
		t.Errorf("retried, although the partition does not exist: %v", err)
	}
}

// TestMovedLeadersAreRetried: leaders moved while nothing was written. The client heard of it first, refused a request for what had been
// one broker, and the run ended.
func TestMovedLeadersAreRetried(t *testing.T) {
	parts := func(ids ...int32) *rawproduce.Request {
		topic := rawproduce.RequestTopic{Topic: "lowcap.executions"}
		for _, id := range ids {
			topic.Partitions = append(topic.Partitions, rawproduce.RequestPartition{Partition: id})
		}
		return &rawproduce.Request{Topics: []rawproduce.RequestTopic{topic}}
	}
	moved := protocol.Cluster{Brokers: map[int32]protocol.Broker{0: {ID: 0}, 2: {ID: 2}}, Topics: map[string]protocol.Topic{
		"lowcap.executions": {Partitions: map[int32]protocol.Partition{0: {Leader: 0}, 1: {ID: 1, Leader: 2}}}}}
	if _, err := parts(0, 1).Broker(moved); err == nil || !isRetriable(fmt.Errorf("produce: %w", err)) {
		t.Errorf("not retried: %v", err)
	}
	if _, err := parts(0, 9).Broker(moved); err == nil || isRetriable(err) {
		t.Errorf("retried, although the partition does not exist: %v", err)
	}
}
