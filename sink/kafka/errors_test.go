package kafka

import (
	"fmt"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
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
