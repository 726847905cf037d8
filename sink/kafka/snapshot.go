package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink"
)

// A snapshot is one transaction, so that all of it becomes visible or nothing. It takes as long as it takes; how long the
// brokers let it is their transaction.max.timeout.ms, which only they can change.

const (
	// maxTransaction is the brokers' setting that bounds every transaction, by the name that Kafka's documentation has it under.
	maxTransaction = "transaction.max.timeout.ms"
	// defaultMaxTransaction is what it is unless told otherwise.
	defaultMaxTransaction = 15 * time.Minute
	// fewestTransaction is the shortest transaction that a sidecar can work with: a broker that does not answer for some
	// seconds must not end it.
	fewestTransaction = 10 * time.Second
)

// timeouts are those that a transaction may get, the longest first. A broker refuses one that is above its own limit and
// takes no notice otherwise, so asking needs no right to read its settings.
var timeouts = []time.Duration{24 * time.Hour, 12 * time.Hour, 6 * time.Hour, 4 * time.Hour, 3 * time.Hour, 2 * time.Hour, 90 * time.Minute,
	time.Hour, 45 * time.Minute, 30 * time.Minute, 20 * time.Minute, defaultMaxTransaction, 10 * time.Minute, 5 * time.Minute,
	3 * time.Minute, 2 * time.Minute, 90 * time.Second, transactionTimeout, 45 * time.Second, 30 * time.Second, 20 * time.Second,
	15 * time.Second, fewestTransaction}

// allowed calls take with the longest timeout that is at most wanted and that the brokers allow.
func allowed(wanted time.Duration, take func(time.Duration) error) error {
	var err error
	for _, timeout := range timeouts {
		if timeout > wanted {
			continue
		}
		if err = take(timeout); !errors.Is(err, kafka.InvalidTransactionTimeout) {
			return err
		}
	}
	return err
}

// snapshot is the transaction that holds one.
type snapshot struct {
	begun time.Time
	limit time.Duration
	rows  cdc.Rows // that were read with the parts written so far
}

// beginSnapshot gives the next transaction as long as the brokers allow.
func (k *Sink) beginSnapshot(ctx context.Context) error {
	err := allowed(timeouts[0], func(timeout time.Duration) error {
		if k.producer.timeout == timeout && !k.producer.unanswered {
			return nil
		}
		return k.producer.raiseEpoch(ctx, timeout)
	})
	k.snapshot = &snapshot{begun: time.Now(), limit: k.producer.timeout}
	k.longest.Store(int64(k.producer.timeout))
	return err
}

// LongestSnapshot returns how long the brokers let the snapshot take that is being written, or the last one; 0 before the first.
func (k *Sink) LongestSnapshot() time.Duration { return time.Duration(k.longest.Load()) }

// isOver reports whether the time is over that the brokers give.
func (s *snapshot) isOver() bool { return s != nil && time.Since(s.begun) >= s.limit }

// tooLong ends a run whose snapshot does not fit: the next one would begin it again, in vain.
func (s *snapshot) tooLong() error {
	return &sink.SnapshotError{Rows: s.rows.Read, Of: s.rows.Of, Took: time.Since(s.begun), Limit: s.limit,
		Repair: RaiseTransactions(s.rows, time.Since(s.begun))}
}

// RaiseTransactions says what to set for a snapshot that has come so far in a time: twice what all of it takes.
func RaiseTransactions(rows cdc.Rows, in time.Duration) string {
	whole := 4 * in // what is left is not known
	if rows.Read > 0 && rows.Of > 0 {
		whole = 2 * time.Duration(float64(in)*float64(max(rows.Of, rows.Read))/float64(rows.Read))
	}
	for i := len(timeouts) - 1; i > 0; i-- {
		if timeouts[i] >= max(whole, 2*in) {
			whole = timeouts[i]
			break
		}
	}
	whole = min(whole, timeouts[0])
	return fmt.Sprintf("set %s=%d in the configuration of every broker, restart them one by one, and start again", maxTransaction, whole.Milliseconds())
}

// TransactionLimit returns how long the brokers let a transaction take; known is false where their settings may not be read,
// and then it is Kafka's default. It changes nothing.
func (k *Sink) TransactionLimit(ctx context.Context) (limit time.Duration, known bool, err error) {
	meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{k.stateTopic()}})
	if err != nil {
		return 0, false, explain(err)
	}
	for _, broker := range meta.Brokers {
		response, err := k.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeBroker, ResourceName: strconv.Itoa(broker.ID), ConfigNames: []string{maxTransaction}}}})
		if err != nil {
			return 0, false, explain(err)
		}
		for _, r := range response.Resources {
			for _, entry := range r.ConfigEntries {
				ms, err := strconv.ParseInt(entry.ConfigValue, 10, 64)
				if of := time.Duration(ms) * time.Millisecond; err == nil && entry.ConfigName == maxTransaction && (!known || of < limit) {
					limit, known = of, true
				}
			}
		}
	}
	if !known {
		limit = defaultMaxTransaction
	}
	return min(limit, timeouts[0]), known, nil
}
