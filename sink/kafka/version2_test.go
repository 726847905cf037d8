package kafka_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/sink/kafka"
)

// TestTransactionsOfVersion2 against a real broker: what is different from the old protocol (KIP-890).
func TestTransactionsOfVersion2(t *testing.T) {
	proxy := newLateProxy(t)
	broker, err := lab.StartProxiedKafka(t.Context(), lab.KafkaVersion, proxy.to)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close() //nolint:errcheck // the test is over
	for i, c := range []struct {
		name string
		run  func(t *testing.T, l *late, broker *lab.Kafka)
	}{
		{"partitions are added", addsPartitions},
		{"each end raises the epoch", endRaises},
		{"answers are lost", answersLost},
		{"epochs are used up", epochsUsedUp},
		{"the version changes", versionChanges},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, &late{proxy: proxy, direct: broker.Addr(), prefix: fmt.Sprintf("v2-%d.", i), v2: true, defended: true}, broker)
		})
	}
}

// addsPartitions: who adds the partitions of a transaction makes no difference. One that follows another at once asks for it.
func addsPartitions(t *testing.T, l *late, _ *lab.Kafka) {
	k := l.open(t, nil)
	for n := range 8 {
		if n < 4 {
			kafka.EndedLongAgo(k)
		} else {
			kafka.EndedJustNow(k)
		}
		before := l.proxy.count(kmsg.AddPartitionsToTxn)
		if err := k.Commit(t.Context(), keyed(n, n%3)); err != nil {
			t.Fatal(err)
		}
		if added := l.proxy.count(kmsg.AddPartitionsToTxn) - before; (n < 4) != (added == 0) {
			t.Errorf("transaction %d: %d requests AddPartitionsToTxn", n, added)
		}
	}
	wantAll(t, l, 8)
}

// endRaises: the sequence numbers of each epoch begin at 0, also in partitions that an epoch has passed over.
func endRaises(t *testing.T, l *late, _ *lab.Kafka) {
	k := l.open(t, nil)
	inits := l.proxy.count(kmsg.InitProducerID)
	id, first := kafka.Epoch(k)
	for n := range 9 {
		if err := k.Commit(t.Context(), keyed(n, n%3)); err != nil {
			t.Fatal(err)
		}
		if got, epoch := kafka.Epoch(k); got != id || epoch != first+int16(n)+1 {
			t.Errorf("after %d transactions: producer %d, epoch %d; the first was %d, %d", n+1, got, epoch, id, first)
		}
	}
	if n := l.proxy.count(kmsg.InitProducerID) - inits; n != 0 {
		t.Errorf("%d requests InitProducerID", n)
	}
	wantAll(t, l, 9)
}

// answersLost: what took effect is sent again, and takes effect once. The epoch need not be raised by a request of its own.
func answersLost(t *testing.T, l *late, _ *lab.Kafka) {
	k := l.open(t, nil)
	inits := l.proxy.count(kmsg.InitProducerID)
	_, first := kafka.Epoch(k)
	for n, key := range []kmsg.Key{kmsg.EndTxn, kmsg.Produce, kmsg.EndTxn, kmsg.ApiVersions} {
		kafka.AgreeAnew(k)
		l.proxy.loseNext(key, 2)
		if err := k.Commit(t.Context(), oneEvent(n)); err != nil {
			t.Fatal(err)
		}
		if _, epoch := kafka.Epoch(k); epoch != first+int16(n)+1 {
			t.Errorf("the answer to %s was lost: epoch %d after %d transactions, which began with %d", key.Name(), epoch, n+1, first)
		}
	}
	if n := l.proxy.count(kmsg.InitProducerID) - inits; n != 0 {
		t.Errorf("%d requests InitProducerID", n)
	}
	wantAll(t, l, 4)
}

// versionChanges: an operator takes the cluster to version 1 and back under a sink that runs. The transaction that is open
// ends as it began. (Version 0 is left out: in its format a broker cannot write down the end of a transaction of version 2.)
func versionChanges(t *testing.T, l *late, broker *lab.Kafka) {
	k := l.open(t, nil)
	for n, version := range []int16{2, 1, 1, 2, 1, 2} {
		half := oneEvent(2 * n)
		half.More = true
		if err := k.Commit(t.Context(), half); err != nil {
			t.Fatal(err)
		}
		if err := broker.SetTransactions(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		kafka.AgreeAnew(k)
		if err := k.Commit(t.Context(), oneEvent(2*n+1)); err != nil {
			t.Fatal(err)
		}
		if err := k.Commit(t.Context(), oneEvent(100+n)); err != nil {
			t.Fatal(err)
		}
		if ended, produced := l.proxy.version(kmsg.EndTxn), l.proxy.version(kmsg.Produce); version == 2 && (ended != 5 || produced != 12) ||
			version < 2 && (ended > 4 || produced > 11) {
			t.Errorf("version %d: EndTxn %d, Produce %d", version, ended, produced)
		}
	}
	if got, want := l.told(t), "events [0 1 100 2 3 101 4 5 102 6 7 103 8 9 104 10 11 105], checkpoint 105"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// epochsUsedUp: the answer to EndTxn brings another producer id.
func epochsUsedUp(t *testing.T, l *late, _ *lab.Kafka) {
	k := l.open(t, nil)
	if err := k.Commit(t.Context(), oneEvent(0)); err != nil {
		t.Fatal(err)
	}
	if err := kafka.UseUpEpochs(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	old, _ := kafka.Epoch(k)
	for n := range 3 {
		l.proxy.loseNext(kmsg.EndTxn, 1)
		if err := k.Commit(t.Context(), oneEvent(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if id, epoch := kafka.Epoch(k); id == old || epoch > 3 {
		t.Errorf("producer %d, epoch %d; before: %d", id, epoch, old)
	}
	wantAll(t, l, 4)
}

// keyed is oneEvent with a partition key of its own.
func keyed(n, key int) *cdc.Batch {
	batch := oneEvent(n)
	batch.Events[0].PartitionKey = fmt.Sprint(key)
	return batch
}

// wantAll wants events 0 to n-1 to be told once.
func wantAll(t *testing.T, l *late, n int) {
	t.Helper()
	records, err := lab.ReadCommitted(t.Context(), l.direct, l.prefix+"trim-pools")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, r := range records {
		seen[string(r.Value)]++
	}
	for i := range n {
		if seen[fmt.Sprint(i)] != 1 {
			t.Errorf("event %d is told %d times", i, seen[fmt.Sprint(i)])
		}
	}
	if len(seen) != n {
		t.Errorf("%d events are told, want %d", len(seen), n)
	}
}
