package kafka_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
)

// TestStateTopicStaysSmall writes the images of very many rows again and again, and expects a real broker to keep less
// than twice of what is live. Only how often its cleaner looks is not what production has: a fifth of a second instead of
// fifteen.
func TestStateTopicStaysSmall(t *testing.T) {
	broker, err := lab.StartKafka(t.Context(), "log.cleaner.backoff.ms=200", "log.cleaner.dedupe.buffer.size=16000000")
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close() //nolint:errcheck // the test is over
	k := openKafka(t, broker.Addr())
	defer k.Close() //nolint:errcheck // the test is over
	loadNothing := func(string, []byte) error { return nil }
	if err := k.Resume(t.Context(), loadNothing); err != nil {
		t.Fatal(err)
	}
	size, stop := topicSize(t, broker.Addr(), "test.cdc-state")
	defer stop()
	rows := &rewritten{random: rand.NewChaCha8([32]byte{1}), images: make(map[string][]byte)}
	highest := int64(0)
	for round := range 10 {
		for at := 0; at < rewrittenRows; at += 2000 {
			if err := k.Commit(t.Context(), rows.batch(round, at, 2000)); err != nil {
				t.Fatal(err)
			}
		}
		highest = max(highest, size())
	}
	live, within := rows.bytes(), int64(0)
	deadline := time.Now().Add(2 * time.Minute)
	for within = size(); within > 2*live && time.Now().Before(deadline); within = size() {
		<-time.After(200 * time.Millisecond)
	}
	t.Logf("%d MB live, %d MB written; the topic has %d MB, at most it had %d MB", live>>20, rows.written>>20, within>>20, highest>>20)
	if within > 2*live {
		t.Errorf("the topic has %d bytes, more than twice the %d that are live", within, live)
	}
	rows.expect(t, k)
}

const rewrittenRows = 80000

// rewritten is rows that change all the time, of which one in ten is gone in every other round.
type rewritten struct {
	random  *rand.ChaCha8
	images  map[string][]byte
	written int64
}

func (r *rewritten) batch(round, from, n int) *cdc.Batch {
	batch := &cdc.Batch{State: []cdc.StateRecord{{Key: "checkpoint", Value: fmt.Append(nil, round, from)}}}
	r.images["checkpoint"] = batch.State[0].Value
	for i := from; i < from+n; i++ {
		key := fmt.Sprintf("position/%08d-0000-4000-8000-000000000000", i)
		if i%10 == 0 && round%2 == 1 {
			delete(r.images, key)
			batch.State = append(batch.State, cdc.StateRecord{Key: key})
			continue
		}
		image := make([]byte, 300) // that no compression makes smaller
		r.random.Read(image)       //nolint:errcheck // it never fails
		r.images[key], r.written = image, r.written+int64(len(key)+len(image))
		batch.State = append(batch.State, cdc.StateRecord{Key: key, Value: image})
	}
	return batch
}

func (r *rewritten) bytes() (n int64) {
	for key, image := range r.images {
		n += int64(len(key) + len(image))
	}
	return n
}

// expect reads the state back: what the broker has swept away was no one's last.
func (r *rewritten) expect(t *testing.T, k cdc.Sink) {
	t.Helper()
	read := make(map[string][]byte)
	err := k.Resume(t.Context(), func(key string, value []byte) error {
		if delete(read, key); value != nil {
			read[key] = bytes.Clone(value)
		}
		return nil
	})
	if err != nil || len(read) != len(r.images) {
		t.Fatalf("%d images, want %d; %v", len(read), len(r.images), err)
	}
	for key, image := range r.images {
		if !bytes.Equal(read[key], image) {
			t.Fatalf("image of %s is another", key)
		}
	}
}

// topicSize returns what tells the bytes that a topic has on the broker's disk.
func topicSize(t *testing.T, addr, topic string) (size func() int64, stop func()) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	return func() int64 {
		t.Helper()
		dirs, err := kadm.NewClient(client).DescribeAllLogDirs(t.Context(), kadm.TopicsSet{topic: {0: {}}})
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		dirs.Each(func(d kadm.DescribedLogDir) { total += d.Size() })
		return total
	}, client.Close
}
