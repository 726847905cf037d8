package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
	"lowcap-cdc/sink/sinktest"
)

func openKafka(t testing.TB, addr string) *kafka.Sink {
	t.Helper()
	k, err := kafka.New(kafka.Config{Brokers: []string{addr}, TopicPrefix: "test.", Slot: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k
}

func committedValues(t testing.TB, addr string) [][]byte {
	t.Helper()
	records, err := lab.ReadCommitted(t.Context(), addr, "test.entry-blocks", "test.trim-pools", "test.emergency-exits",
		"test.executions", "test.positions", "test.quarantine", "test.control")
	if err != nil {
		t.Fatal(err)
	}
	var values [][]byte
	for _, r := range records {
		values = append(values, r.Value)
	}
	return values
}

// TestKafkaConformance runs the suite of durable sinks against a real broker. A random sequence takes seconds there, so
// TestKafkaConformanceOnFake tries the many.
func TestKafkaConformance(t *testing.T) {
	for _, version := range []string{lastOfOldProtocol, lab.KafkaVersion} {
		t.Run(version, func(t *testing.T) {
			k, err := lab.StartKafkaOf(t.Context(), version, lab.KeepsAll)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close() //nolint:errcheck // the test is over
			target := kafkaTarget(k.Addr())
			target.Sequences = 6
			sinktest.Run(t, target)
		})
	}
}

// lastOfOldProtocol is the last broker that has transactions of version 1 only.
const lastOfOldProtocol = "3.9.2"

// TestKafkaConformanceOnFake runs the suite against a broker in this process.
func TestKafkaConformanceOnFake(t *testing.T) {
	eachProtocol(t, func(t *testing.T, _ *kfake.Cluster, addr string) {
		target := kafkaTarget(addr)
		target.Sequences = 30
		sinktest.Run(t, target)
	})
}

func kafkaTarget(addr string) sinktest.Target {
	return sinktest.Target{
		Open:   func(t testing.TB) cdc.Sink { return openKafka(t, addr) },
		Events: func(t testing.TB) [][]byte { return committedValues(t, addr) },
	}
}

// eachProtocol runs a test against a broker in this process with each version of transactions.
func eachProtocol(t *testing.T, run func(t *testing.T, c *kfake.Cluster, addr string)) {
	t.Helper()
	t.Run("version 1", func(t *testing.T) {
		c, addr := fake(t, kfake.MaxVersions(kversion.V3_9_0()))
		run(t, c, addr)
	})
	t.Run("version 2", func(t *testing.T) {
		c, addr := fake(t)
		run(t, c, addr)
	})
}

func fake(t *testing.T, options ...kfake.Opt) (*kfake.Cluster, string) {
	t.Helper()
	c, err := kfake.NewCluster(append(options, kfake.NumBrokers(1), kfake.SleepOutOfOrder())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, c.ListenAddrs()[0]
}

func oneEvent(n int) *cdc.Batch {
	return &cdc.Batch{
		Events: []cdc.Event{{Attributes: schemas.Attributes{ID: fmt.Sprint(n), Type: "lowcap.trim_pool.opened.v1", PartitionKey: "k",
			Time: "2026-01-01T00:00:00.000000Z", Sequence: fmt.Sprintf("%032d", n)}, Value: fmt.Appendf(nil, "%d", n)}},
		State: []cdc.StateRecord{{Key: "checkpoint", Value: fmt.Appendf(nil, "%d", n)}},
	}
}

// TestKafkaRetriableCodes answers each request of a commit once with each code that passes by itself.
func TestKafkaRetriableCodes(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn} {
		for _, code := range []kafkago.Error{kafkago.RequestTimedOut, kafkago.GroupLoadInProgress, kafkago.GroupCoordinatorNotAvailable,
			kafkago.NotCoordinatorForGroup, kafkago.ConcurrentTransactions} {
			t.Run(fmt.Sprintf("%s %d", key.Name(), code), func(t *testing.T) {
				eachProtocol(t, func(t *testing.T, c *kfake.Cluster, addr string) {
					k := openKafka(t, addr)
					if err := k.Resume(t.Context(), func(string, []byte) error { return nil }); err != nil {
						t.Fatal(err)
					}
					answerOnce(c, key, int16(code))
					for n := range 3 {
						if err := k.Commit(t.Context(), oneEvent(n)); err != nil {
							t.Fatal(err)
						}
					}
					if got := fmt.Sprintf("%s", committedValues(t, addr)); got != "[0 1 2]" {
						t.Errorf("committed %s", got)
					}
				})
			})
		}
	}
}

// TestCodesThatEndTheTransaction answers requests once with what says that the transaction is over. The run ends as a fenced one
// does, nothing of it is visible, and the next one does all of it.
func TestCodesThatEndTheTransaction(t *testing.T) {
	const transactionAbortable = kafkago.Error(120)
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn} {
		for _, code := range []kafkago.Error{transactionAbortable, kafkago.InvalidProducerEpoch, kafkago.ProducerFenced,
			kafkago.InvalidTransactionState, kafkago.InvalidProducerIDMapping} {
			t.Run(fmt.Sprintf("%s %d", key.Name(), code), func(t *testing.T) {
				c, addr := fake(t)
				for attempt := range 2 {
					k := openKafka(t, addr)
					if err := k.Resume(t.Context(), func(string, []byte) error { return nil }); err != nil {
						t.Fatal(err)
					}
					if attempt == 0 {
						answerOnce(c, key, int16(code))
						if err := k.Commit(t.Context(), oneEvent(0)); !errors.Is(err, sink.ErrFenced) {
							t.Errorf("the commit ended with %v", err)
						}
						continue
					}
					if err := k.Commit(t.Context(), oneEvent(0)); err != nil {
						t.Fatal(err)
					}
				}
				if got := fmt.Sprintf("%s", committedValues(t, addr)); got != "[0]" {
					t.Errorf("committed %s", got)
				}
			})
		}
	}
}

// answerOnce makes the cluster answer the next request of a kind with an error code.
func answerOnce(c *kfake.Cluster, key kmsg.Key, code int16) {
	c.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
		response := request.ResponseKind()
		switch r := response.(type) {
		case *kmsg.EndTxnResponse:
			r.ErrorCode = code
		case *kmsg.AddPartitionsToTxnResponse:
			for _, topic := range request.(*kmsg.AddPartitionsToTxnRequest).Topics {
				part := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
				part.Partition, part.ErrorCode = topic.Partitions[0], code
				out := kmsg.NewAddPartitionsToTxnResponseTopic()
				out.Topic, out.Partitions = topic.Topic, append(out.Partitions, part)
				r.Topics = append(r.Topics, out)
			}
		case *kmsg.ProduceResponse:
			for _, topic := range request.(*kmsg.ProduceRequest).Topics {
				out := kmsg.NewProduceResponseTopic()
				out.Topic = topic.Topic
				for _, p := range topic.Partitions {
					part := kmsg.NewProduceResponseTopicPartition()
					part.Partition, part.ErrorCode = p.Partition, code
					out.Partitions = append(out.Partitions, part)
				}
				r.Topics = append(r.Topics, out)
			}
		}
		return response, nil, true
	})
}

// TestKafkaFencedWriterCommitsNothing opens a second sink while the first one is alive.
func TestKafkaFencedWriterCommitsNothing(t *testing.T) {
	_, addr := fake(t)
	none := func(string, []byte) error { return nil }
	first, second := openKafka(t, addr), openKafka(t, addr)
	for _, k := range []*kafka.Sink{first, second} {
		if err := k.Resume(t.Context(), none); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Commit(t.Context(), oneEvent(1)); err == nil {
		t.Error("the fenced sink committed")
	}
	if err := second.Commit(t.Context(), oneEvent(2)); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprintf("%s", committedValues(t, addr)); got != "[2]" {
		t.Errorf("committed %s", got)
	}
}

// TestKafkaRaisesEpochAfterNoAnswer cuts the connection instead of answering EndTxn: the sink must retry to a certain
// outcome, and take a new epoch before the next transaction, or the late request could end that one half-way. (With version 2 of
// transactions the answer to EndTxn brings the new epoch: TestEndRaisesTheEpoch.)
func TestKafkaRaisesEpochAfterNoAnswer(t *testing.T) {
	c, addr := fake(t, kfake.MaxVersions(kversion.V3_9_0()))
	k := openKafka(t, addr)
	if err := k.Resume(t.Context(), func(string, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var cut, raised sync.Once
	wasRaised := make(chan struct{})
	c.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (response kmsg.Response, err error, handled bool) {
		c.KeepControl()
		cut.Do(func() { err, handled = fmt.Errorf("cut"), true })
		return nil, err, handled
	})
	c.ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if r.(*kmsg.InitProducerIDRequest).ProducerID >= 0 {
			raised.Do(func() { close(wasRaised) })
		}
		return nil, nil, false
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for n := range 2 {
		if err := k.Commit(ctx, oneEvent(n)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-wasRaised:
	default:
		t.Error("the epoch was not raised after a request without an answer")
	}
	if got := fmt.Sprintf("%s", committedValues(t, addr)); got != "[0 1]" {
		t.Errorf("committed %s", got)
	}
}
