package main

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// tail is a consumer at read_committed that is always connected, past the proxy: what it has is what the world has.
type tail struct {
	client *kgo.Client
	done   chan struct{}

	mu      sync.Mutex
	lsn     uint64 // of the newest event
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
	if len(sequence) < 16 {
		return
	}
	lsn, err := strconv.ParseUint(sequence[:16], 16, 64)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if !t.arrived.IsZero() {
		t.stall = max(t.stall, now.Sub(t.arrived))
	}
	t.lsn, t.arrived = max(t.lsn, lsn), now
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

// newest returns the commit LSN of the newest event.
func (t *tail) newest() uint64 {
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
