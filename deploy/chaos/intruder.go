package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// intruder writes records that are no events between the events, as another program does that was given the wrong topic.
type intruder struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup
	client *kgo.Client
}

// intrusions is how long it rests between two records.
const intrusions = 300 * time.Millisecond

// startIntruder writes past the proxy. What a dead broker did not take is tried again, and may then be there twice.
func startIntruder(ctx context.Context, w *world) (*intruder, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.DisableIdempotentWrite(), kgo.ProducerBatchMaxBytes(1<<20-1024))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	i := &intruder{cancel: cancel, client: client}
	random := rand.New(rand.NewPCG(w.options.seed, 3))
	i.ended.Go(func() {
		for pause(ctx, intrusions) == nil {
			client.ProduceSync(ctx, foreignRecord(random)) // an error is a fault at work
		}
	})
	return i, nil
}

// foreignRecord draws what is no event.
func foreignRecord(random *rand.Rand) *kgo.Record {
	values := [][]byte{nil, {0, 0, 0, 0, 7, 2, 'a', 'b', 'c'}, make([]byte, 900_000), []byte(`{"id":1,"type":"order"}`), []byte("\x1b[2J\r\n")}
	return &kgo.Record{Topic: topics()[random.IntN(len(topics()))], Key: bytes.Repeat([]byte("k"), random.IntN(2000)),
		Value: values[random.IntN(len(values))], Headers: []kgo.RecordHeader{{Key: "ce_type", Value: []byte("not\r\nours")}}}
}

// isForeign reports whether a record is the intruder's: it has no id.
func isForeign(r *kgo.Record) bool { return header(r, "ce_id") == "" }

func (i *intruder) stop() {
	i.cancel()
	i.ended.Wait()
	i.client.Close()
}

// readByTail returns how many events the verb tail prints of all that is there.
func readByTail(ctx context.Context, w *world) (int, error) {
	tail := exec.CommandContext(ctx, w.options.binary, "tail", "--json", "--since", "1000w", "--sink", w.sink, "--slot", "disturbed",
		"--topic-prefix", prefix, "--postgres", w.postgres.DSN(w.database))
	var complaints bytes.Buffer
	tail.Stderr = &complaints
	out, err := tail.Output()
	if err != nil {
		return 0, fmt.Errorf("tail: %w: %.2000s", err, complaints.Bytes())
	}
	return bytes.Count(out, []byte("\n")), nil
}
