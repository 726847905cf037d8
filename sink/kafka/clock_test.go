package kafka_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

// at is published(n) with a time.
func at(n int, when time.Time) *cdc.Batch {
	batch := published(n)
	for i := range batch.Events {
		e := &batch.Events[i]
		old := e.Time
		e.Time = when.UTC().Format("2006-01-02T15:04:05.000000Z")
		e.Value = []byte(strings.Replace(string(e.Value), old, e.Time, 1))
	}
	batch.State = []cdc.StateRecord{{Key: cdc.CheckpointKey, Value: []byte("1")}}
	return batch
}

// TestClocksThatDiffer commits events whose time a broker refuses as a record's: Postgres' clock ahead, an old event in a
// topic that takes new ones only, and our own clock ahead. The event's time is untouched, and found by it.
func TestClocksThatDiffer(t *testing.T) {
	broker, err := lab.StartKafka(t.Context(), lab.KeepsAll)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close() //nolint:errcheck // the test is over
	now := time.Now()
	for i, c := range []struct {
		name          string
		setting       string
		afterResume   bool // the setting is not known to the sink then
		ms            string
		of            time.Time
		before, after time.Duration // of now, between which the record is stamped
	}{
		{"Postgres ahead", "", false, "", now.Add(2 * time.Hour), 0, time.Hour},
		{"a year ahead", "", false, "", now.Add(365 * 24 * time.Hour), 0, time.Hour},
		{"old", "message.timestamp.before.max.ms", false, "3600000", now.Add(-48 * time.Hour), time.Hour, 0},
		{"the brokers' clock behind ours", "message.timestamp.after.max.ms", true, "1000", now.Add(25 * time.Minute), time.Hour, 0},
	} {
		prefix := fmt.Sprintf("t%d.", i)
		k, err := kafka.New(kafka.Config{Brokers: []string{broker.Addr()}, TopicPrefix: prefix, Slot: "s"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.EnsureTopics(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.setting != "" && !c.afterResume {
			alter(t, broker.Addr(), prefix+"trim-pools", c.setting, c.ms)
		}
		if err := k.Resume(t.Context(), loadNothing); err != nil {
			t.Fatal(err)
		}
		if c.setting != "" && c.afterResume {
			alter(t, broker.Addr(), prefix+"trim-pools", c.setting, c.ms)
		}
		for n := range 2 {
			if err := k.Commit(t.Context(), &cdc.Batch{Events: at(n+1, c.of).Events[n:], State: at(1, c.of).State}); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		stamped, err := lab.ReadCommitted(t.Context(), broker.Addr(), prefix+"trim-pools")
		if err != nil || len(stamped) != 2 {
			t.Fatalf("%s: %d records, %v", c.name, len(stamped), err)
		}
		for _, r := range stamped {
			if r.Timestamp.Before(now.Add(-c.before)) || r.Timestamp.After(time.Now().Add(c.after)) {
				t.Errorf("%s: stamped %v", c.name, r.Timestamp)
			}
		}
		found := 0
		err = k.ReadEvents(t.Context(), sink.Range{Since: c.of.Add(-time.Second)}, func(e *sink.Stored) error {
			if e.Attributes().Time == at(1, c.of).Events[0].Time {
				found++
			}
			return nil
		})
		if err != nil || found != 2 {
			t.Errorf("%s: found %d since its own time, %v", c.name, found, err)
		}
		err = k.ReadEvents(t.Context(), sink.Range{Since: c.of.Add(time.Second)}, func(e *sink.Stored) error {
			t.Errorf("%s: %s is before the range", c.name, e.Value)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestLargeEvents: batches are cut by the topic's limit, an event just below it passes, and one above it ends the run with
// a sentence instead of being sent again and again.
func TestLargeEvents(t *testing.T) {
	broker, err := lab.StartKafka(t.Context(), lab.KeepsAll)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close() //nolint:errcheck // the test is over
	k := openKafka(t, broker.Addr())
	if err := k.Resume(t.Context(), loadNothing); err != nil {
		t.Fatal(err)
	}
	batch, random := published(12), rand.New(rand.NewPCG(1, 2))
	for i, size := range []int{1_000_000, 10, 600_000, 600_000, 1_040_000, 5, 1_000_000, 524_000, 524_000, 1_046_000, 1, 900_000} {
		batch.Events[i].Value = incompressible(random, size)
	}
	if err := k.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if got := len(committedValues(t, broker.Addr())); got != len(batch.Events) {
		t.Errorf("%d events, want %d", got, len(batch.Events))
	}
	large := published(1)
	large.Events[0].Value = incompressible(random, 1_100_000)
	begun := time.Now()
	err = k.Commit(t.Context(), large)
	if !sink.IsCluster(err) || !strings.Contains(err.Error(), large.Events[0].ID) || !strings.Contains(err.Error(), "max.message.bytes") ||
		time.Since(begun) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
}

func incompressible(random *rand.Rand, size int) []byte {
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(random.Uint32())
	}
	return value
}
