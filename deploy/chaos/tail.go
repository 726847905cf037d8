package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/decode"
)

// tail is a consumer at read_committed that is always connected, past the proxy: what it has is what the world has.
type tail struct {
	client *kgo.Client
	done   chan struct{}

	mu      sync.Mutex
	newest  string // sequence, which rises from one server to the next
	lsn     uint64 // its place in the WAL of its server
	present int    // how often a table was back
	arrived time.Time
	stall   time.Duration
}

func startTail(addrs []string) (*tail, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topics()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }))
	if err != nil {
		return nil, err
	}
	t := &tail{client: client, done: make(chan struct{})}
	go t.follow()
	return t, nil
}

func (t *tail) follow() {
	defer close(t.done)
	for {
		fetches := t.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachRecord(t.note) // an error is a fault at work; the client tries again
	}
}

func (t *tail) note(r *kgo.Record) {
	sequence := header(r, "ce_sequence")
	lsn, err := decode.ParseLSN(gjson.GetBytes(r.Value, "data.origin.commit_lsn").String())
	if sequence == "" || err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if !t.arrived.IsZero() {
		t.stall = max(t.stall, now.Sub(t.arrived))
	}
	if t.arrived = now; sequence > t.newest {
		t.newest, t.lsn = sequence, uint64(lsn)
	}
	if strings.HasPrefix(header(r, "ce_type"), "lowcap.table.present.") {
		t.present++
	}
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// place returns the commit LSN of the newest event.
func (t *tail) place() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lsn
}

// returned returns how often an event has said that a table is back.
func (t *tail) returned() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.present
}

// rest leaves out of the longest stall what has passed since the last event.
func (t *tail) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrived = time.Time{}
}

// longestStall returns the longest time in which nothing arrived.
func (t *tail) longestStall() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stall
}

func (t *tail) close() {
	t.client.Close()
	<-t.done
}
