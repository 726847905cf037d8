package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

// lateCluster is a kind of cluster that a request comes late to.
type lateCluster struct {
	name, version string
	features      []string
	v2            bool // it has transactions of version 2 (KIP-890), and fences by itself what comes late
}

// lateClusters are both protocols, and the last broker that has only the first one.
var lateClusters = []lateCluster{
	{"Kafka 3.9", "3.9.2", nil, false},
	{"Kafka 4 with transactions of version 1", "4.4.0", []string{"transaction.version=1"}, false},
	{"Kafka 4", lab.KafkaVersion, nil, true},
}

// lateCases are the requests that may come late.
var lateCases = []struct {
	request string
	run     func(t *testing.T, l *late)
}{
	{"EndTxn", lateEndTxn}, {"Produce", lateProduce}, {"AddPartitionsToTxn", lateAddPartitions}, {"InitProducerID", lateInit},
}

// TestLateRequest holds a request back until its sender has given it up and begun another transaction, and delivers it then
// (KAFKA-17754). Where the sink's defence is left out the transaction is torn: so it is known to be needed.
func TestLateRequest(t *testing.T) {
	for _, cluster := range lateClusters {
		t.Run(cluster.name, func(t *testing.T) {
			proxy := newLateProxy(t)
			broker, err := lab.StartProxiedKafka(t.Context(), cluster.version, proxy.to, cluster.features...)
			if err != nil {
				t.Fatal(err)
			}
			defer broker.Close() //nolint:errcheck // the test is over
			for _, c := range lateCases {
				for _, defended := range []bool{false, true} {
					l := &late{proxy: proxy, direct: broker.Addr(), prefix: fmt.Sprintf("%s-%t.", c.request, defended), v2: cluster.v2,
						defended: defended}
					t.Run(fmt.Sprintf("%s, defended %t", c.request, defended), func(t *testing.T) { c.run(t, l) })
				}
			}
		})
	}
}

// late is one case: topics of its own, and whether the sink may defend itself.
type late struct {
	proxy    *lateProxy
	direct   string // the broker without the proxy
	prefix   string
	v2       bool
	defended bool
}

// check looks what readers see: torn where nothing is done against late requests, and whole otherwise.
func (l *late) check(t *testing.T, torn, whole string) {
	t.Helper()
	want := whole
	if !l.defended && !l.v2 {
		want = torn
	}
	if got := l.told(t); got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// open returns a sink that has resumed.
func (l *late) open(t *testing.T, hook func(point string) error) *kafka.Sink {
	t.Helper()
	k, err := kafka.New(kafka.Config{Brokers: []string{l.proxy.listener.Addr().String()}, TopicPrefix: l.prefix, Slot: "s", Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k.Resume(t.Context(), func(string, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() }) //nolint:errcheck // the test is over
	return k
}

// told returns the ids of the events that committed readers see, and the checkpoint that the next run would begin with.
func (l *late) told(t *testing.T) string {
	t.Helper()
	checkpoint := "none"
	k := l.open(t, nil) // which aborts what a dead one left open
	if err := k.Resume(t.Context(), func(key string, value []byte) error {
		if key == cdc.CheckpointKey {
			checkpoint = string(value)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	records, err := lab.ReadCommitted(t.Context(), l.direct, l.prefix+"trim-pools")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range records {
		for _, h := range r.Headers {
			if h.Key == "ce_id" {
				ids = append(ids, string(h.Value))
			}
		}
	}
	return fmt.Sprintf("events %v, checkpoint %s", ids, checkpoint)
}

// lateEndTxn: the commit of the first transaction gets no answer and is sent again. Its first copy arrives when half of the second
// transaction is written, and the instance dies.
func lateEndTxn(t *testing.T, l *late) {
	died := errors.New("died")
	k := l.open(t, func(point string) error {
		if point != "between-partitions" {
			return nil
		}
		l.proxy.deliver(kmsg.EndTxn)
		return died
	})
	l.proxy.holdNext(kmsg.EndTxn, 1)
	if err := k.Commit(t.Context(), oneEvent(1)); err != nil {
		t.Fatal(err)
	}
	if !l.defended {
		kafka.ForgetUnanswered(k)
	}
	if err := k.Commit(t.Context(), threeBatches(2)); !errors.Is(err, died) {
		t.Fatalf("the second commit ended with %v", err)
	}
	// Torn, events 3 and 4 are lost: the next run goes on behind them.
	l.check(t, "events [1 2], checkpoint 2", "events [1], checkpoint 1")
}

// lateProduce: the records of the first transaction are stuck, and it is given up. They arrive in the second one.
func lateProduce(t *testing.T, l *late) {
	k := l.giveUp(t, map[kmsg.Key]int{kmsg.Produce: 1 << 20})
	l.proxy.beforeNext(kmsg.Produce, func() { l.proxy.deliver(kmsg.Produce) })
	l.second(t, k)
}

// lateAddPartitions: as lateProduce, but the records arrive before the second transaction begins. The broker would refuse them:
// their partition is in no transaction. A late AddPartitionsToTxn has put it into one.
func lateAddPartitions(t *testing.T, l *late) {
	k := l.giveUp(t, map[kmsg.Key]int{kmsg.AddPartitionsToTxn: 1, kmsg.Produce: 1 << 20})
	l.proxy.deliver(kmsg.AddPartitionsToTxn)
	l.proxy.deliver(kmsg.Produce)
	l.second(t, k)
}

// lateInit: the request that takes the transactional id arrives once more in the middle of a transaction. It aborts that, which is
// safe, and the next run begins anew.
func lateInit(t *testing.T, l *late) {
	l.proxy.holdNext(kmsg.InitProducerID, 1)
	k := l.open(t, func(point string) error {
		if point == "between-partitions" {
			l.proxy.deliver(kmsg.InitProducerID)
		}
		return nil
	})
	if err := k.Commit(t.Context(), oneEvent(1)); err != nil {
		t.Fatal(err)
	}
	if err := k.Commit(t.Context(), threeBatches(2)); !errors.Is(err, sink.ErrFenced) {
		t.Errorf("the second commit ended with %v", err)
	}
	l.check(t, "events [1], checkpoint 1", "events [1], checkpoint 1")
}

// giveUp begins a transaction with event 1, holds requests of it, and gives it up when its records are held. It returns the
// sink that goes on.
func (l *late) giveUp(t *testing.T, hold map[kmsg.Key]int) *kafka.Sink {
	t.Helper()
	k := l.open(t, nil)
	kafka.EndedJustNow(k)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	l.proxy.onHeld = func(key kmsg.Key) {
		if key == kmsg.Produce {
			cancel()
		}
	}
	for key, n := range hold {
		l.proxy.holdNext(key, n)
	}
	if err := k.Commit(ctx, oneEvent(1)); err == nil {
		t.Fatal("the first transaction was committed")
	}
	for key := range hold {
		l.proxy.holdNext(key, 0)
	}
	if l.defended {
		return l.open(t, nil)
	}
	if err := kafka.AbortAndGoOn(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	return k
}

// second commits event 2, and looks what is told.
func (l *late) second(t *testing.T, k *kafka.Sink) {
	t.Helper()
	if err := k.Commit(t.Context(), oneEvent(2)); err != nil {
		t.Fatal(err)
	}
	// Torn, what was given up is told, and what was committed is lost.
	l.check(t, "events [1], checkpoint 1", "events [2], checkpoint 2")
}

// threeBatches are events n, n+1 and n+2, each of which needs a record batch for itself, and a checkpoint.
func threeBatches(n int) *cdc.Batch {
	batch, random := oneEvent(n), rand.NewChaCha8([32]byte{})
	batch.Events = append(batch.Events, oneEvent(n + 1).Events[0], oneEvent(n + 2).Events[0])
	for i := range batch.Events {
		batch.Events[i].Value = make([]byte, 700<<10)
		random.Read(batch.Events[i].Value) //nolint:errcheck // it never fails
	}
	return batch
}
