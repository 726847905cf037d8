package kafka_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/sink/kafka"
)

var (
	latencySeconds = flag.Int("latency-seconds", 0, "how long TestLatencyOfBothVersions measures each rate and version in a turn; 0 leaves it out")
	latencyTurns   = flag.Int("latency-turns", 3, "how many turns")
	latencyBrokers = flag.Int("latency-brokers", 1, "on how many brokers")
)

// TestLatencyOfBothVersions measures on one cluster, in turns, how long an event takes with transactions of version 1 and 2: from
// the moment when it is there until a reader of committed records has it, and how long each request of its transactions is on its
// way. While one transaction is under way events wait for the next, as in the pipeline.
func TestLatencyOfBothVersions(t *testing.T) {
	if *latencySeconds == 0 {
		return
	}
	addr, broker := latencyCluster(t)
	measured, requests := make(map[string][]time.Duration), make(map[string]map[string][]time.Duration)
	rates, versions := []int{1, 100, 1000}, []int16{1, 2}
	for turn := -1; turn < *latencyTurns; turn++ { // the first one warms up: a new broker compiles its code
		for _, rate := range rates {
			for _, version := range versions {
				if err := broker.SetTransactions(t.Context(), version); err != nil {
					t.Fatal(err)
				}
				l := &latencyRun{prefix: fmt.Sprintf("l%d-%d-%d.", turn, rate, version), rate: rate}
				if took := l.run(t, addr); turn >= 0 {
					name := fmt.Sprintf("%d/s, version %d", rate, version)
					measured[name] = append(measured[name], took...)
					if requests[name] == nil {
						requests[name] = make(map[string][]time.Duration)
					}
					for api, all := range l.requests {
						requests[name][api] = append(requests[name][api], all...)
					}
				}
			}
		}
		slices.Reverse(versions)
	}
	for _, rate := range rates {
		for _, version := range []int16{1, 2} {
			name := fmt.Sprintf("%d/s, version %d", rate, version)
			t.Logf("%s: %s", name, quantiles(measured[name]))
			for api, all := range requests[name] {
				t.Logf("  %s: %s", api, quantiles(all))
			}
		}
	}
}

func quantiles(took []time.Duration) string {
	slices.Sort(took)
	return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms (%d)", millis(took[len(took)/2]), millis(took[len(took)*99/100]), len(took))
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// latencyCluster starts brokers with the options that Kafka ships where there is one.
func latencyCluster(t *testing.T) (addr string, broker *lab.Kafka) {
	t.Helper()
	if *latencyBrokers == 1 {
		k, err := lab.StartKafkaAsShipped(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() }) //nolint:errcheck // the test is over
		return k.Addr(), k
	}
	c, err := lab.StartCluster(t.Context(), *latencyBrokers, func(listener string) (string, error) { return listener, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // the test is over
	return c.Addrs()[0], c.Brokers[0]
}

// latencyRun is one rate and version in one turn, with topics of its own.
type latencyRun struct {
	prefix string
	rate   int

	mu       sync.Mutex
	due      []time.Time // of each event, by its number
	took     []time.Duration
	requests map[string][]time.Duration // how long each was on its way, by its API
}

// watch notes how long a request takes.
func (l *latencyRun) watch(api string, _ any) func(any, error) {
	sent := time.Now()
	return func(any, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.requests[api] = append(l.requests[api], time.Since(sent))
	}
}

func (l *latencyRun) run(t *testing.T, addr string) []time.Duration {
	t.Helper()
	l.requests = make(map[string][]time.Duration)
	k, err := kafka.New(kafka.Config{Brokers: []string{addr}, TopicPrefix: l.prefix, Slot: "s", Watch: l.watch})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // it was only measured
	if _, err := k.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k.Resume(t.Context(), func(string, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for key := range 50 { // new topics are slow
		if err := k.Commit(t.Context(), l.event(-1, key)); err != nil {
			t.Fatal(err)
		}
	}
	l.mu.Lock()
	clear(l.requests)
	l.mu.Unlock()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	n := *latencySeconds * l.rate
	all, read := make(chan struct{}), make(chan error, 1)
	go func() { read <- l.read(ctx, addr, n, all) }()
	l.write(t, k, n)
	select {
	case <-all:
	case err := <-read:
		t.Fatalf("read: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("not all events were read")
	}
	return l.took
}

// event is one that a broker keeps.
func (l *latencyRun) event(n, key int) *cdc.Batch {
	batch := keyed(n, key)
	batch.Events[0].Time = time.Now().UTC().Format(time.RFC3339Nano)
	return batch
}

// write makes events due at the rate and commits what is due, all at once.
func (l *latencyRun) write(t *testing.T, k *kafka.Sink, n int) {
	t.Helper()
	interval := time.Second / time.Duration(l.rate)
	begin := time.Now().Add(interval)
	for done := 0; done < n; {
		if early := time.Until(begin.Add(time.Duration(done) * interval)); early > 0 {
			<-time.After(early)
		}
		batch := &cdc.Batch{}
		l.mu.Lock()
		for ; done < n && time.Since(begin.Add(time.Duration(done)*interval)) >= 0; done++ {
			one := l.event(done, done%50)
			batch.Events, batch.State = append(batch.Events, one.Events...), one.State
			l.due = append(l.due, begin.Add(time.Duration(done)*interval))
		}
		l.mu.Unlock()
		if err := k.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
}

// read reads what is committed, until it has n events.
func (l *latencyRun) read(ctx context.Context, addr string, n int, all chan<- struct{}) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(l.prefix+"trim-pools"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	for len(l.took) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return errors.Join(err, ctx.Err())
		}
		now := time.Now()
		l.mu.Lock()
		for _, r := range fetches.Records() {
			number, err := strconv.Atoi(string(r.Value))
			if err != nil {
				l.mu.Unlock()
				return err
			}
			if number >= 0 {
				l.took = append(l.took, now.Sub(l.due[number]))
			}
		}
		l.mu.Unlock()
	}
	close(all)
	return nil
}
