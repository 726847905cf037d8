package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/cdc/check"
)

// Check looks at every precondition in the cluster. It changes nothing.
func (k *Sink) Check(ctx context.Context) []check.Finding {
	if broker, err := k.hangsUp(ctx); err != nil {
		return []check.Finding{{Name: "kafka", Severity: check.Fail,
			Detail: fmt.Sprintf("%s ends the connection when TLS begins (%v), as a plaintext port does", broker, err),
			Repair: "lowcap-cdc check, with the broker's TLS port in --sink, or without --kafka-tls, --kafka-ca and --kafka-cert"}}
	}
	meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: k.Topics()})
	if err != nil {
		return []check.Finding{{Name: "kafka", Severity: check.Fail, Detail: unreachable(explain(err), k.config).Error(),
			Repair: "lowcap-cdc check, when the brokers answer"}}
	}
	findings := []check.Finding{{Name: "kafka", Severity: check.OK, Detail: fmt.Sprintf("%d brokers", len(meta.Brokers))}}
	for _, t := range meta.Topics {
		f := check.Finding{Name: "topic " + t.Name, Severity: check.OK, Detail: fmt.Sprintf("%d partitions", len(t.Partitions))}
		if t.Error != nil {
			f.Severity, f.Detail, f.Repair = check.Fail, t.Error.Error(), "lowcap-cdc init"
		}
		if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			f.Detail = "does not exist, or may not be described"
		}
		findings = append(findings, f)
	}
	if k.config.Registry != nil {
		findings = append(findings, k.config.Registry.check(ctx, k.config.Format))
	}
	return findings
}

// hangsUp looks for a broker that ends the connection as soon as it sees TLS. The library takes that for a network that
// will be back, and tries until it is told to stop. A run must do so too: a proxy whose broker is starting looks the same.
func (k *Sink) hangsUp(ctx context.Context) (broker string, err error) {
	if k.transport.TLS == nil {
		return "", nil
	}
	for _, broker := range k.config.Brokers {
		conn, err := dial(ctx, "tcp", broker)
		if err != nil {
			continue
		}
		secure := k.transport.TLS.Clone()
		secure.ServerName, _, _ = net.SplitHostPort(broker)
		err = tls.Client(conn, secure).HandshakeContext(ctx)
		conn.Close() //nolint:errcheck // nothing was sent
		var notTLS tls.RecordHeaderError
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.As(err, &notTLS) {
			return broker, err
		}
	}
	return "", nil
}
