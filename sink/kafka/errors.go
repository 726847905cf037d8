package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"lowcap-cdc/sink"
)

// isRetriable reports whether the same request may succeed later without anybody doing anything.
func isRetriable(err error) bool {
	if sink.IsCluster(err) || handshakeRepair(err) != "" {
		return false
	}
	var code kafka.Error
	if errors.As(err, &code) {
		return retriableCodes[code]
	}
	var network net.Error
	var topic *protocol.TopicError
	return haveMoved(err) || errors.As(err, &network) || errors.As(err, &topic) || errors.Is(err, protocol.ErrNoLeader) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}

// haveMoved reports whether the library knows newer leaders than the ones that a request was made for: they are not one broker any
// more, and nothing was sent. It has no type for that, only for what else its request finds out of place.
func haveMoved(err error) bool {
	var produce *rawproduce.Error
	var topic *protocol.TopicError
	var part *protocol.TopicPartitionError
	return errors.As(err, &produce) && !errors.As(err, &topic) && !errors.As(err, &part)
}

// explain turns an answer that will not change into a sentence that says what to do.
func explain(err error) error {
	if sink.IsCluster(err) {
		return err // it says so already
	}
	if repair := handshakeRepair(err); repair != "" {
		return &sink.ClusterError{Err: err, Repair: repair}
	}
	var code kafka.Error
	if !errors.As(err, &code) {
		return err
	}
	if fencedCodes[code] {
		return fmt.Errorf("%w (%w)", sink.ErrFenced, err)
	}
	if repair := repairs[code]; repair != "" {
		return &sink.ClusterError{Err: err, Repair: repair}
	}
	return err
}

// handshakeRepair says what to change when the two sides cannot agree on TLS; it is empty for every other error. The
// library has no type for a broker that answers plain text with a TLS alert.
func handshakeRepair(err error) string {
	var verification *tls.CertificateVerificationError
	var name x509.HostnameError
	var network *net.OpError
	switch {
	case errors.As(err, &name):
		return "write the brokers' names in --sink as they are in their certificates"
	case errors.As(err, &verification):
		return "set --kafka-ca to the CA that has signed the brokers' certificates"
	case errors.As(err, &network) && network.Op == "remote error":
		return "set --kafka-cert and --kafka-key to a client certificate that the brokers trust"
	case errors.Is(err, io.ErrUnexpectedEOF) && strings.Contains(err.Error(), "expecting TLS"):
		return "set --kafka-tls, or --kafka-ca to the CA that has signed the brokers' certificates"
	}
	return ""
}

// retry repeats a step until it succeeds, fails for good, or has used up its time. The first waits are short: after a
// commit the coordinator needs a few milliseconds before it takes the next transaction.
func (k *Sink) retry(ctx context.Context, step func() error) error {
	budget := k.retryBudget()
	deadline := time.Now().Add(budget)
	for wait := time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := step()
		if err == nil {
			return nil
		}
		if !isRetriable(err) || time.Now().After(deadline) || unknownTopicForLong(err, deadline, budget) {
			return explain(err)
		}
		if errors.Is(err, kafka.UnknownTopicOrPartition) {
			k.transport.CloseIdleConnections() // the library keeps what it was told for seconds, a topic may be there by now
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// unknownTopicForLong reports whether a topic has been unknown for more than a few seconds: it does not exist, or the
// right to describe it is missing, and neither passes.
func unknownTopicForLong(err error, deadline time.Time, budget time.Duration) bool {
	return errors.Is(err, kafka.UnknownTopicOrPartition) && time.Until(deadline) < budget-5*time.Second
}

// retryBudget is less than a transaction may take.
func (k *Sink) retryBudget() time.Duration {
	if k.producer == nil || k.producer.timeout == 0 {
		return retryBudget
	}
	return min(retryBudget, k.producer.timeout*3/4)
}
