package lab

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Mirror copies the committed records of topics to another cluster, each into the same partition, as a mirror does. The topics
// must be there.
func Mirror(ctx context.Context, from, to string, topics ...string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(to), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(8<<20))
	if err != nil {
		return err
	}
	defer client.Close()
	var failed error
	err = EachCommitted(ctx, from, func(r *kgo.Record) {
		copied := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
		client.Produce(ctx, copied, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}, topics...)
	if err == nil {
		err = client.Flush(ctx)
	}
	if err == nil {
		err = failed
	}
	return err
}
