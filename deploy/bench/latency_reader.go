package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// latencyReader reads committed events as they come.
type latencyReader struct {
	client *kgo.Client
	wake   context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	from int64     // microseconds since 1970: what was committed before does not count
	seen []float64 // milliseconds
}

func (r *latencyReader) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen, r.from = nil, time.Now().UnixMicro()
}

func (r *latencyReader) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

func (r *latencyReader) taken() []float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

func (r *latencyReader) stop() {
	r.wake()
	<-r.done
	r.client.Close()
}

func (r *latencyReader) read(ctx context.Context) {
	defer close(r.done)
	for {
		fetches := r.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		now := time.Now().UnixMicro()
		r.mu.Lock()
		fetches.EachRecord(func(record *kgo.Record) {
			if at := committedAt(record); at >= r.from {
				r.seen = append(r.seen, float64(now-at)/1000)
			}
		})
		r.mu.Unlock()
	}
}

// committedAt returns when a record's change was committed, in microseconds since 1970: the time attribute of an event, or
// the first "ts_us" of a rival's value: of Debezium's, which is its source's, or of go-pq-cdc-kafka's, which is the time of the
// statement. It is zero where there is none.
func committedAt(record *kgo.Record) int64 {
	for _, h := range record.Headers {
		if h.Key == "ce_time" {
			at, _ := time.Parse(time.RFC3339Nano, string(h.Value))
			return at.UnixMicro()
		}
	}
	_, rest, ok := bytes.Cut(record.Value, []byte(`"ts_us":`))
	if !ok {
		return 0
	}
	at, _ := strconv.ParseInt(string(rest[:len(rest)-len(bytes.TrimLeft(rest, "0123456789"))]), 10, 64)
	return at
}

// wait waits until everything that was written was read.
func (r *latencyReader) wait(ctx context.Context, written int, within time.Duration) error {
	err := poll(ctx, within, func() (bool, error) { return r.count() >= written, nil })
	if err != nil {
		return fmt.Errorf("%d of %d events were read: %w", r.count(), written, err)
	}
	return nil
}
