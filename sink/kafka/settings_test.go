package kafka_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

func loadNothing(string, []byte) error { return nil }

// alter sets one setting of a topic.
func alter(t *testing.T, addr, topic, name, value string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	answers, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	if err != nil || answers[0].Err != nil {
		t.Fatal(err, answers)
	}
	deadline := time.Now().Add(time.Minute)
	for is := ""; is != value; { // the controller has it, the broker gets it a moment later
		described, err := admin.DescribeTopicConfigs(t.Context(), topic)
		if err != nil || time.Now().After(deadline) {
			t.Fatal(err, described)
		}
		for _, config := range described[0].Configs {
			if config.Key == name {
				is = config.MaybeValue()
			}
		}
	}
}

// TestSettingsThatBreakThePromise: a topic that loses events or state by its settings is refused by a start and by init,
// with the command that repairs it, and check says so. One that only may lose some is a warning.
func TestSettingsThatBreakThePromise(t *testing.T) {
	broker, err := lab.StartKafka(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close() //nolint:errcheck // the test is over
	k := openKafka(t, broker.Addr())
	for _, c := range []struct {
		topic, name, value, right string
		severity                  check.Severity
	}{
		{"cdc-state", "cleanup.policy", "delete", "compact", check.Fail},
		{"cdc-state", "cleanup.policy", "compact,delete", "compact", check.Fail},
		{"cdc-state", "delete.retention.ms", "0", "3600000", check.Fail},
		{"cdc-state", "max.message.bytes", "1048588", "16777216", check.Warn},
		{"emergency-exits", "cleanup.policy", "compact", "delete", check.Fail},
		{"positions", "cleanup.policy", "compact,delete", "delete", check.Fail},
		{"control", "max.message.bytes", "1000", "1048588", check.Warn},
		{"control", "min.insync.replicas", "2", "1", check.Fail},
		{"control", "unclean.leader.election.enable", "true", "false", check.Warn},
		{"executions", "retention.ms", "60000", "604800000", check.Warn},
		{"executions", "retention.bytes", "1", "-1", check.Warn},
		{"executions", "message.timestamp.before.max.ms", "1", "9223372036854775807", check.Fail},
		{"cdc-state", "message.timestamp.before.max.ms", "0", "9223372036854775807", check.Fail},
	} {
		topic := "test." + c.topic
		alter(t, broker.Addr(), topic, c.name, c.value)
		repair := fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s=%s",
			broker.Addr(), topic, c.name, c.right)
		told := false
		for _, f := range k.Check(t.Context(), loadNothing) {
			told = told || (f.Severity == c.severity && f.Repair == repair && strings.Contains(f.Detail, c.name+"="+c.value))
		}
		if !told {
			t.Errorf("%s %s=%s: check does not say %v with %q: %+v", c.topic, c.name, c.value, c.severity, repair, k.Check(t.Context(), loadNothing))
		}
		_, ensured := k.EnsureTopics(t.Context())
		other, err := kafka.New(kafka.Config{Brokers: []string{broker.Addr()}, TopicPrefix: "test.", Slot: "s"})
		if err != nil {
			t.Fatal(err)
		}
		for verb, err := range map[string]error{"init": ensured, "start": other.Resume(t.Context(), loadNothing)} {
			refused := sink.IsCluster(err) && strings.Contains(err.Error(), repair)
			if c.severity == check.Fail && !refused || c.severity == check.Warn && err != nil {
				t.Errorf("%s %s=%s: %s says %v", c.topic, c.name, c.value, verb, err)
			}
		}
		alter(t, broker.Addr(), topic, c.name, c.right)
	}
	for _, f := range k.Check(t.Context(), loadNothing) {
		if f.Severity != check.OK {
			t.Errorf("repaired, and still %+v", f)
		}
	}
	if keeps, err := k.Keeps(t.Context()); err != nil || keeps["executions"] != 7*24*time.Hour || len(keeps) != len(k.Topics())-1 {
		t.Errorf("%v, %v", keeps, err)
	}
}

// TestTopicsOfAnotherSlot: whoever mistypes --slot would publish everything once more between the events that are there.
func TestTopicsOfAnotherSlot(t *testing.T) {
	_, addr := fake(t)
	open := func(slot string) *kafka.Sink {
		k, err := kafka.New(kafka.Config{Brokers: []string{addr}, TopicPrefix: "test.", Slot: slot})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if _, err := open("right").EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	right := open("right")
	if err := right.Resume(t.Context(), loadNothing); err != nil {
		t.Fatal(err)
	}
	if err := right.Commit(t.Context(), oneEvent(1)); err != nil {
		t.Fatal(err)
	}
	wrong := open("rigth")
	findings := wrong.Check(t.Context(), loadNothing)
	last := findings[len(findings)-1]
	for verb, err := range map[string]error{
		"a run":    wrong.Resume(t.Context(), loadNothing),
		"a reader": wrong.ReadState(t.Context(), loadNothing),
		"a cursor": wrong.CheckpointCursor().Read(t.Context(), func([]byte) error { return nil }),
		"check":    fmt.Errorf("%s", last.Detail),
	} {
		if err == nil || !strings.Contains(err.Error(), `belong to slot "right"`) || !strings.Contains(err.Error(), "set --slot right") {
			t.Errorf("%s says %v", verb, err)
		}
		if verb != "check" && !sink.IsPermanent(err) {
			t.Errorf("%s may be tried again", verb)
		}
	}
	if last.Severity != check.Fail {
		t.Errorf("check: %+v", findings)
	}
	if err := right.Commit(t.Context(), &cdc.Batch{State: []cdc.StateRecord{{Key: cdc.CheckpointKey}}}); err != nil {
		t.Fatal(err)
	}
	if err := wrong.Resume(t.Context(), loadNothing); err != nil {
		t.Errorf("nobody's topics: %v", err)
	}
}

// TestNobodyAnswers: brokers that are down, that cannot be found, and that accept and say nothing, are told of soon.
func TestNobodyAnswers(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // the test is over
	const down = "127.0.0.1:1"
	for _, addr := range []string{down, silent.Addr().String(), "nosuchhost.invalid:9092"} {
		for verb, do := range map[string]func(context.Context, *kafka.Sink) error{
			"run":    func(ctx context.Context, k *kafka.Sink) error { return k.Resume(ctx, loadNothing) },
			"init":   func(ctx context.Context, k *kafka.Sink) error { _, err := k.EnsureTopics(ctx); return err },
			"status": func(ctx context.Context, k *kafka.Sink) error { return k.ReadState(ctx, loadNothing) },
			"verify": func(ctx context.Context, k *kafka.Sink) error { _, err := k.Kept(ctx); return err },
			"tail": func(ctx context.Context, k *kafka.Sink) error {
				return k.ReadEvents(ctx, sink.Range{Follow: true}, func(*sink.Stored) error { return nil })
			},
			"notify": func(ctx context.Context, k *kafka.Sink) error { return k.Consume(ctx, "g", nil, kafka.Member{}) },
			"check": func(ctx context.Context, k *kafka.Sink) error {
				f := k.Check(ctx, loadNothing)
				return fmt.Errorf("%s", f[0].Detail)
			},
		} {
			t.Run(verb+" "+addr, func(t *testing.T) {
				t.Parallel()
				k, err := kafka.New(kafka.Config{Brokers: []string{addr}, TopicPrefix: "test.", Slot: "s"})
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				err = do(t.Context(), k)
				if took := time.Since(begun); took > 20*time.Second || err == nil || !strings.Contains(err.Error(), "no answer from Kafka at ["+addr) {
					t.Errorf("after %v: %v", took, err)
				}
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("more than a line: %q", err)
				}
			})
		}
	}
}

// TestOneBrokerAnswers: as long as one broker of the list answers, the others may be down, unknown, or say nothing.
func TestOneBrokerAnswers(t *testing.T) {
	_, addr := fake(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // the test is over
	for range 5 {        // the library begins with one of them, whichever it is
		k, err := kafka.New(kafka.Config{Brokers: []string{silent.Addr().String(), "127.0.0.1:1", "nosuchhost.invalid:9092", addr},
			TopicPrefix: "test.", Slot: "s"})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := k.EnsureTopics(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := k.Resume(t.Context(), loadNothing); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
	}
}

// TestTopicsThatGrow: a topic that gets more partitions has the new records of a row beside the old ones. State stays where it
// is, as one that is read in the wrong order is lost; of events a start and check say so, once.
func TestTopicsThatGrow(t *testing.T) {
	_, addr := fake(t)
	var notices []string
	open := func() (*kafka.Sink, map[string]string) {
		k, err := kafka.New(kafka.Config{Brokers: []string{addr}, TopicPrefix: "test.", Slot: "s",
			Notice: func(line string) { notices = append(notices, line) }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.EnsureTopics(t.Context()); err != nil {
			t.Fatal(err)
		}
		state := make(map[string]string)
		if err := k.Resume(t.Context(), func(key string, value []byte) error {
			state[key] = string(value)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return k, state
	}
	commit := func(k *kafka.Sink, round string) {
		batch := &cdc.Batch{}
		for i := range 20 {
			batch.State = append(batch.State, cdc.StateRecord{Key: fmt.Sprint(i), Value: []byte(round)})
		}
		if err := k.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	k, _ := open()
	commit(k, "before")
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, topic := range []string{"test.cdc-state", "test.positions"} {
		if grown, err := kadm.NewClient(client).UpdatePartitions(t.Context(), 9, topic); err != nil || grown[topic].Err != nil {
			t.Fatal(err, grown)
		}
	}
	told := func() (n int) {
		k, err := kafka.New(kafka.Config{Brokers: []string{addr}, TopicPrefix: "test.", Slot: "s"})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range k.Check(t.Context(), loadNothing) {
			if strings.Contains(f.Detail, "has 9 partitions, and had 6") && f.Severity == check.Warn && f.Name == "topic test.positions" {
				n++
			}
		}
		return n
	}
	if n := told(); n != 1 {
		t.Errorf("check says %d times that a topic has grown", n)
	}
	for _, round := range []string{"first", "second"} {
		k, state := open()
		if len(state) != 20 {
			t.Errorf("%s: read %v", round, state)
		}
		commit(k, round)
		_, state = open()
		for key, value := range state {
			if value != round {
				t.Errorf("key %s holds %q, want %q", key, value, round)
			}
		}
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "test.positions") {
		t.Errorf("notices: %q", notices)
	}
	if n := told(); n != 0 {
		t.Errorf("check says %d times that a topic has grown, after it was written to", n)
	}
}

// TestBusyBrokerHearsOfNewTopicsLate: a topic that was just created may be unknown for longer than one that does not exist is asked for.
func TestBusyBrokerHearsOfNewTopicsLate(t *testing.T) {
	t.Parallel()
	c, addr := fake(t)
	var first time.Time
	c.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) > 6*time.Second {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, asked := range r.(*kmsg.DescribeConfigsRequest).Resources {
			one := kmsg.NewDescribeConfigsResponseResource()
			one.ErrorCode, one.ResourceType, one.ResourceName = int16(kafkago.UnknownTopicOrPartition), asked.ResourceType, asked.ResourceName
			answer.Resources = append(answer.Resources, one)
		}
		return answer, nil, true
	})
	k, err := kafka.New(kafka.Config{Brokers: []string{addr}, TopicPrefix: "late.", Slot: "late"})
	if err != nil {
		t.Fatal(err)
	}
	if created, err := k.EnsureTopics(t.Context()); err != nil || len(created) != len(k.Topics()) {
		t.Errorf("created %q: %v", created, err)
	}
}
