package kafka

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
)

// reachWithin is how long the first contact may take: a person at a terminal must soon hear that no broker answers. Once the
// cluster has answered, requests are retried for retryBudget, because brokers come back.
const reachWithin = 4 * time.Second

// reach makes sure that the cluster answers, unless it has done so before. The library says only that the time is over; so
// where no answer comes, the brokers are dialled to see why.
func (k *Sink) reach(ctx context.Context) error {
	if k.reached.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	if err := k.dialAny(ctx); err != nil {
		return fmt.Errorf("no answer from Kafka at %v: %w", k.config.Brokers, err)
	}
	var last error
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		_, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: k.Topics()})
		switch {
		case err == nil:
			k.reached.Store(true)
			return nil
		case !isRetriable(err):
			return explain(err)
		case last == nil || ctx.Err() == nil: // what comes when the time is over says nothing
			last = err
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return fmt.Errorf("no answer from Kafka at %v: %w", k.config.Brokers, last)
		}
	}
}

// dialAny returns nil when a broker takes a connection, and otherwise what kept one of them from doing so.
func (k *Sink) dialAny(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachWithin*3/4)
	defer cancel()
	failures := make(chan error, len(k.config.Brokers))
	for _, broker := range k.config.Brokers {
		go func() { failures <- tryDial(ctx, broker) }()
	}
	var first error
	for range k.config.Brokers {
		err := <-failures
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
	}
	return first
}

// tryDial returns why an address takes no connection.
func tryDial(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
