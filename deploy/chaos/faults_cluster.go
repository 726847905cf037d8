package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// moveLeaders makes another replica the leader of every partition that the sidecar writes.
func moveLeaders(ctx context.Context, w *world, _ *rand.Rand) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	details, err := admin.ListTopics(ctx, append(topics(), prefix+"cdc-state")...)
	if err != nil {
		return err
	}
	var rotated kadm.AlterPartitionAssignmentsReq
	var partitions kadm.TopicsSet
	details.EachPartition(func(p kadm.PartitionDetail) {
		if len(p.Replicas) > 1 {
			rotated.Assign(p.Topic, p.Partition, append(p.Replicas[1:], p.Replicas[0]))
			partitions.Add(p.Topic, p.Partition)
		}
	})
	if _, err := admin.AlterPartitionAssignments(ctx, rotated); err != nil {
		return fmt.Errorf("rotate replicas: %w", err)
	}
	if _, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, partitions); err != nil {
		return fmt.Errorf("elect leaders: %w", err)
	}
	return nil
}
