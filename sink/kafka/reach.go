package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
)

// reachWithin is how long the first contact may take: a person at a terminal must soon hear that no broker answers. Once the
// cluster has answered, requests are retried for retryBudget, because brokers come back.
const reachWithin = 4 * time.Second

// reach makes sure that the cluster answers, unless it has done so before. The library says only that the time is over; so
// where no answer comes, the brokers are dialled to see why.
func (k *Sink) reach(ctx context.Context) error {
	k.reaching.Lock()
	defer k.reaching.Unlock()
	if k.reached {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	if err := k.dialAny(ctx); err != nil {
		return fmt.Errorf("no answer from Kafka at %v: %w", k.config.Brokers, err)
	}
	k.choose(ctx)
	var last error
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		_, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: k.Topics()})
		switch {
		case err == nil:
			k.reached = true
			return nil
		case !isRetriable(err):
			return explain(err)
		case last == nil || ctx.Err() == nil: // what comes when the time is over says nothing
			last = err
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return fmt.Errorf("no answer from Kafka at %v: %w%s", k.config.Brokers, last, k.guess(last))
		}
	}
}

// guess says why a broker that can be reached gives no answer, where that can be guessed.
func (k *Sink) guess(err error) string {
	hangsUp := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case hangsUp && k.transport.TLS != nil:
		return "; it ends the connection, as a port without TLS does"
	case hangsUp && k.transport.SASL == nil:
		return "; it ends the connection, as one does that asks for SASL: --kafka-sasl"
	case errors.Is(err, context.DeadlineExceeded):
		return "; it takes connections and says nothing: is that a broker's port?"
	}
	return ""
}

// chooseWithin is how long other brokers may take behind the first that answers.
const chooseWithin = 500 * time.Millisecond

// choose leaves out brokers that do not answer, as long as another one does: the library tries one of the list, whichever it is,
// and waits for that.
func (k *Sink) choose(ctx context.Context) {
	if len(k.config.Brokers) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin/2)
	defer cancel()
	answers := make(chan string, len(k.config.Brokers))
	for _, broker := range k.config.Brokers {
		go func() {
			if !k.answers(ctx, broker) {
				broker = ""
			}
			answers <- broker
		}()
	}
	var good []string
	for asked := len(k.config.Brokers); asked > 0 && ctx.Err() == nil; asked-- {
		select {
		case broker := <-answers:
			if broker != "" {
				good = append(good, broker)
				time.AfterFunc(chooseWithin, cancel)
			}
		case <-ctx.Done():
		}
	}
	if len(good) > 0 {
		k.client.Addr = kafka.TCP(good...)
	}
}

// answers reports whether a broker gives an answer, if only that we may not ask.
func (k *Sink) answers(ctx context.Context, broker string) bool {
	one := k.config
	one.Brokers = []string{broker}
	transport, address, err := newTransport(one)
	if err != nil {
		return false
	}
	defer transport.CloseIdleConnections()
	_, err = (&kafka.Client{Addr: address, Transport: transport}).Metadata(ctx, &kafka.MetadataRequest{Topics: k.Topics()})
	return err == nil || !isRetriable(err)
}

// dialAny returns nil when a broker takes a connection, and otherwise what kept one of them from doing so.
func (k *Sink) dialAny(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachWithin*3/4)
	defer cancel()
	failures := make(chan error, len(k.config.Brokers))
	for _, broker := range k.config.Brokers {
		go func() { failures <- k.config.tryDial(ctx, broker) }()
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
func (c *Config) tryDial(ctx context.Context, address string) error {
	conn, err := c.connect(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
