package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

// publish commits one event for each of twenty rows, as a run does that begins now.
func publish(t *testing.T, addr, round string) {
	t.Helper()
	k := openKafka(t, addr)
	if err := k.Resume(t.Context(), loadNothing); err != nil {
		t.Fatal(err)
	}
	batch := &cdc.Batch{}
	for i := range 20 {
		a := schemas.Attributes{ID: fmt.Sprint(round, i), Type: "lowcap.trim_pool.opened.v1", PartitionKey: fmt.Sprint("key", i),
			Time: "2026-01-01T00:00:00.000000Z", Sequence: fmt.Sprintf("%032d", i)}
		batch.Events = append(batch.Events, cdc.Event{Attributes: a, Value: fmt.Appendf(nil,
			`{"specversion":"1.0","id":%q,"source":"s","type":%q,"time":%q,"sequence":%q}`, a.ID, a.Type, a.Time, a.Sequence)})
	}
	if err := k.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// grow gives the topic of publish more partitions.
func grow(t *testing.T, addr string, to int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if grown, err := kadm.NewClient(client).UpdatePartitions(t.Context(), to, "test.trim-pools"); err != nil || grown["test.trim-pools"].Err != nil {
		t.Fatal(err, grown)
	}
}

// consumer is a member of a group.
type consumer struct {
	mu   sync.Mutex
	got  map[string]int
	stop func()
}

func consume(t *testing.T, addr string) *consumer {
	t.Helper()
	c := &consumer{got: make(map[string]int)}
	ctx, cancel := context.WithCancel(t.Context())
	assigned, ended := make(chan struct{}, 100), make(chan error, 1)
	k := openKafka(t, addr)
	go func() {
		ended <- k.Consume(ctx, "g", []string{"trim-pools"}, kafka.Member{
			Assigned: func(kafka.Assignment) { assigned <- struct{}{} }, Interrupted: func(error) {},
			Deliver: func(ctx context.Context, r *sink.Round) error {
				c.mu.Lock()
				defer c.mu.Unlock()
				for i := range r.Events {
					c.got[r.Events[i].Attributes().ID]++
				}
				return r.Handled(ctx, len(r.Events), false)
			}})
	}()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(c.stop)
	select {
	case <-assigned:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	case <-time.After(2 * time.Minute):
		t.Fatal("it gets no partitions")
	}
	return c
}

// await waits until the member has got so many events of a round, and none twice.
func (c *consumer) await(t *testing.T, round string) {
	t.Helper()
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(2*time.Minute)
	defer tick.Stop()
	for {
		found := 0
		c.mu.Lock()
		for i := range 20 {
			found += min(1, c.got[fmt.Sprint(round, i)])
		}
		all := len(c.got)
		c.mu.Unlock()
		if found == 20 {
			if all != 20 {
				t.Errorf("%d events, 20 are new", all)
			}
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d of 20 events came", found)
		}
	}
}

// TestGroupReadsPartitionsThatAreNew: a topic gets more partitions, and events in them, while nobody reads, and while somebody does.
// What is in them has come since the group has had its places.
func TestGroupReadsPartitionsThatAreNew(t *testing.T) {
	_, addr := fake(t)
	publish(t, addr, "old")
	consume(t, addr).stop()
	grow(t, addr, 13)
	publish(t, addr, "away")
	c := consume(t, addr)
	c.await(t, "away")
	c.stop()
	c = consume(t, addr)
	grow(t, addr, 29)
	publish(t, addr, "there")
	c.await(t, "there")
}

// TestGroupThatCannotBegin: where the offsets cannot be read, a member says so, instead of holding its partitions and reading nothing.
func TestGroupThatCannotBegin(t *testing.T) {
	c, addr := fake(t)
	publish(t, addr, "old")
	c.ControlKey(int16(kmsg.ListOffsets), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		response := request.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range request.(*kmsg.ListOffsetsRequest).Topics {
			out := kmsg.NewListOffsetsResponseTopic()
			out.Topic = topic.Topic
			for _, p := range topic.Partitions {
				part := kmsg.NewListOffsetsResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, int16(kafkago.TopicAuthorizationFailed)
				out.Partitions = append(out.Partitions, part)
			}
			response.Topics = append(response.Topics, out)
		}
		return response, nil, true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := openKafka(t, addr).Consume(ctx, "g", []string{"trim-pools"}, kafka.Member{Assigned: func(kafka.Assignment) {}, Interrupted: func(error) {},
		Deliver: func(context.Context, *sink.Round) error { return errors.New("delivered") }})
	if !errors.Is(err, kafkago.TopicAuthorizationFailed) {
		t.Errorf("it ends with %v", err)
	}
}

// TestFollowerReadsPartitionsThatAreNew: the same for a reader without a group.
func TestFollowerReadsPartitionsThatAreNew(t *testing.T) {
	_, addr := fake(t)
	publish(t, addr, "old")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	got := make(map[string]int)
	k := openKafka(t, addr)
	err := k.ReadEvents(ctx, sink.Range{Topics: []string{"trim-pools"}, Follow: true}, func(e *sink.Stored) error {
		got[e.Attributes().ID]++
		if len(got) == 20 && got["new0"] == 0 {
			grow(t, addr, 13)
			publish(t, addr, "new")
		}
		if len(got) == 40 {
			cancel()
		}
		return nil
	})
	if err != nil || len(got) != 40 {
		t.Errorf("%d of 40 events came: %v", len(got), err)
	}
}
