package consumers

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink/kafka"
	"lowcap-cdc/sink/sinktest"
)

const recording = "../../schemas/testdata/events.jsonl"

// stage is a real broker with the recorded events on it, and in their midst a transaction that was aborted: whoever does
// not read committed sees an event "aborted" on each topic.
type stage struct {
	kafka   *lab.Kafka
	events  []cdc.Event
	foreign int // records between the events that are none
}

var shared struct { // a broker takes seconds to start; one serves all tests
	open     func() (*stage, error)
	stage    *stage
	registry func() (*lab.Registry, error)
	schemas  *lab.Registry // once registry has been called
}

func TestMain(m *testing.M) {
	shared.open = sync.OnceValues(func() (*stage, error) {
		kafka, err := lab.StartKafka(context.Background())
		if err != nil {
			return nil, err
		}
		shared.stage = &stage{kafka: kafka}
		return shared.stage, shared.stage.set(context.Background())
	})
	shared.registry = sync.OnceValues(func() (r *lab.Registry, err error) {
		shared.schemas, err = lab.StartRegistry(context.Background())
		return shared.schemas, err
	})
	code := m.Run()
	if shared.schemas != nil {
		shared.schemas.Close() //nolint:errcheck // the tests are over
	}
	if shared.stage != nil {
		shared.stage.kafka.Close() //nolint:errcheck // the tests are over
	}
	os.Exit(code)
}

// onStage returns the stage; the first call starts the broker.
func onStage(t *testing.T) *stage {
	t.Helper()
	s, err := shared.open()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stage) set(ctx context.Context) error {
	var err error
	if s.events, err = sinktest.Recorded(recording); err != nil {
		return err
	}
	return s.publish(ctx, kafka.Config{TopicPrefix: "lowcap.", Slot: "stage"})
}

// publish writes the events, and what is aborted in their midst.
func (s *stage) publish(ctx context.Context, config kafka.Config) error {
	config.Brokers = []string{s.kafka.Addr()}
	to, err := kafka.New(config)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // everything is committed
	if _, err := to.EnsureTopics(ctx); err != nil {
		return err
	}
	if err := s.keepForEver(ctx, to.Topics()); err != nil {
		return err
	}
	if err := to.Resume(ctx, func(string, []byte) error { return nil }); err != nil {
		return err
	}
	half := len(s.events) / 2
	if err := to.Commit(ctx, &cdc.Batch{Events: s.events[:half]}); err != nil {
		return err
	}
	if err := s.abort(ctx, to.Topics()); err != nil {
		return err
	}
	return to.Commit(ctx, &cdc.Batch{Events: s.events[half:]})
}

// keepForEver turns retention off: the records have the recording's timestamps, and it may be old.
func (s *stage) keepForEver(ctx context.Context, topics []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addr()))
	if err != nil {
		return err
	}
	defer client.Close()
	forEver := "-1"
	_, err = kadm.NewClient(client).AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &forEver}}, topics...)
	return err
}

// abort writes a paging event to each topic in a transaction that is aborted.
func (s *stage) abort(ctx context.Context, topics []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addr()), kgo.TransactionalID("aborts"))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	for _, topic := range topics {
		if strings.HasSuffix(topic, "cdc-state") {
			continue
		}
		record := &kgo.Record{Topic: topic, Key: []byte("k"),
			Value: []byte(`{"id":"aborted","type":"lowcap.emergency_exit.executed.v1","severity":"page"}`),
			Headers: []kgo.RecordHeader{{Key: "ce_id", Value: []byte("aborted")},
				{Key: "ce_type", Value: []byte("lowcap.emergency_exit.executed.v1")}, {Key: "ce_severity", Value: []byte("page")}}}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return err
		}
	}
	return client.EndTransaction(ctx, kgo.TryAbort)
}

// alerts is what every recipe that ends at a phone must print, in any order.
func (s *stage) alerts() []string {
	var lines []string
	for i := range s.events {
		if a := &s.events[i].Attributes; a.Severity != schemas.Info {
			lines = append(lines, strings.Join(strings.Fields(fmt.Sprint(a.Severity, " ", a.Type, " ", a.ID, " ", about(s.events[i].Value))), " "))
		}
	}
	slices.Sort(lines)
	return lines
}

// about returns token, timeframe and amount of an event, as far as it has them.
func about(event []byte) string {
	data := gjson.GetBytes(event, "data")
	amount := ""
	for _, name := range []string{"proceeds_usd", "exit_value_usd", "value_usd", "usd", "closed_basis", "usd_basis", "pnl_usd"} {
		if value := data.Get(name); amount == "" && value.Type == gjson.Number {
			amount = value.Raw + " USD"
		}
	}
	token := cmp.Or(data.Get("entity.token_ticker").String(), data.Get("entity.token_contract").String())
	return token + " " + data.Get("entity.timeframe").String() + " " + amount
}

// names is what a recipe prints that does not say what an alert is about: severity, type and id.
func (s *stage) names() []string {
	lines := s.alerts()
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line)[:3], " ")
	}
	return lines
}

func same(t *testing.T, output string, want []string) {
	t.Helper()
	got := strings.Split(strings.TrimSpace(output), "\n")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("alerts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// copyOf returns a directory with a copy of a recipe's files, for tools that write beside them.
func copyOf(t *testing.T, recipe string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(recipe)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edited copies a recipe's file with other settings, as a user would edit it.
func edited(t *testing.T, dir, name string, pairs ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(text, []byte(pairs[i])) {
			t.Fatalf("%s does not have %s", name, pairs[i])
		}
	}
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
