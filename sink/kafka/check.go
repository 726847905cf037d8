package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/cdc/check"
)

// Check looks at every precondition in the cluster, and hands the state that is there to load. It changes nothing.
func (k *Sink) Check(ctx context.Context, load func(key string, value []byte) error) []check.Finding {
	if broker, err := k.hangsUp(ctx); err != nil {
		return []check.Finding{{Name: "kafka", Severity: check.Fail,
			Detail: fmt.Sprintf("%s ends the connection when TLS begins (%v), as a plaintext port does", broker, err),
			Repair: "lowcap-cdc check, with the broker's TLS port in --sink, or without --kafka-tls, --kafka-ca and --kafka-cert"}}
	}
	err := k.reach(ctx)
	var meta *kafka.MetadataResponse
	if err == nil {
		meta, err = k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: k.Topics()})
	}
	if err != nil {
		return []check.Finding{{Name: "kafka", Severity: check.Fail, Detail: oneLine(explain(err)),
			Repair: "lowcap-cdc check, when the brokers answer"}}
	}
	findings := []check.Finding{{Name: "kafka", Severity: check.OK, Detail: fmt.Sprintf("%d brokers", len(meta.Brokers))}}
	findings = append(findings, k.checkListeners(ctx, meta.Brokers)...)
	findings = append(findings, k.checkTransport()...)
	findings = append(findings, k.checkTopics(ctx, meta, load)...)
	if k.config.Registry != nil {
		findings = append(findings, k.config.Registry.check(ctx, k.config.Format))
	}
	return findings
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// checkListeners dials the addresses that the brokers tell clients to use: everything but the first contact goes there.
func (k *Sink) checkListeners(ctx context.Context, brokers []kafka.Broker) (findings []check.Finding) {
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	failures := make([]chan error, len(brokers))
	for i, b := range brokers {
		failures[i] = make(chan error, 1)
		go func() { failures[i] <- k.config.tryDial(ctx, net.JoinHostPort(b.Host, fmt.Sprint(b.Port))) }()
	}
	for i, b := range brokers {
		if err := <-failures[i]; err != nil {
			findings = append(findings, check.Finding{Name: fmt.Sprintf("kafka broker %d", b.ID), Severity: check.Warn,
				Detail: fmt.Sprintf("tells clients to use %s:%d, which cannot be reached from here: %v", b.Host, b.Port, err),
				Repair: "set the broker's advertised.listeners to an address that this host reaches, or start it"})
		}
	}
	if len(findings) == len(brokers) {
		for i := range findings {
			findings[i].Severity = check.Fail // nothing can be written
		}
	}
	return findings
}

// checkTransport warns of a connection that others can read.
func (k *Sink) checkTransport() []check.Finding {
	if k.transport.TLS != nil || !k.leavesHost() {
		return nil
	}
	what := "events"
	if k.config.SASL == "plain" {
		what = "events and the password"
	}
	return []check.Finding{{Name: "kafka connection", Severity: check.Warn,
		Detail: what + " cross the network in plain text, and anybody can pretend to be the broker",
		Repair: "set --kafka-tls, or --kafka-ca to the CA that has signed the brokers' certificates"}}
}

// leavesHost reports whether a broker is on another host.
func (k *Sink) leavesHost() bool {
	for _, broker := range k.config.Brokers {
		host, _, _ := net.SplitHostPort(broker) // New has looked at it
		if !isLocal(host) {
			return true
		}
	}
	return false
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// checkTopics looks for each topic, whether its settings keep the promise, and whose they are.
func (k *Sink) checkTopics(ctx context.Context, meta *kafka.MetadataResponse, load func(string, []byte) error) (findings []check.Finding) {
	complete := true
	for _, t := range meta.Topics {
		f := check.Finding{Name: "topic " + t.Name, Severity: check.OK, Detail: fmt.Sprintf("%d partitions", len(t.Partitions))}
		if t.Error != nil {
			complete = false
			f.Severity, f.Detail, f.Repair = check.Fail, t.Error.Error(), "lowcap-cdc init"
		}
		if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			f.Detail = "does not exist, or may not be described"
		}
		findings = append(findings, f)
	}
	copies, err := copiesOf(meta)
	if !complete || err != nil {
		return findings
	}
	settings, err := k.describe(ctx)
	if err != nil {
		return append(findings, check.Finding{Name: "topic settings", Severity: check.Fail, Detail: oneLine(explain(err)),
			Repair: "lowcap-cdc check, when the brokers answer"})
	}
	findings = append(append(findings, k.settingFindings(settings, copies)...), k.checkState(ctx, load)...)
	counts := make(map[string]int)
	for _, t := range meta.Topics {
		counts[t.Name] = len(t.Partitions)
	}
	return append(findings, k.placed.grown(k.eventTopics(nil), counts)...)
}

// checkState looks whether the state in the topics is this slot's, and whether topics that were copied here are whole.
func (k *Sink) checkState(ctx context.Context, load func(string, []byte) error) []check.Finding {
	name, err := "state", k.ReadState(ctx, load)
	if err == nil {
		name, err = "copied topics", k.Arrive(ctx)
	}
	if err != nil {
		return []check.Finding{{Name: name, Severity: check.Fail, Detail: oneLine(explain(err)),
			Repair: "lowcap-cdc check, when that is done"}}
	}
	if k.move.from != "" && k.move.to != "" {
		return []check.Finding{{Name: name, Severity: check.OK, Detail: fmt.Sprintf("from cluster %q, whole up to event %d", k.move.from, k.move.last.Number)}}
	}
	return nil
}

// hangsUp looks for a broker that ends the connection as soon as it sees TLS. The library takes that for a network that
// will be back, and tries until it is told to stop. A run must do so too: a proxy whose broker is starting looks the same.
func (k *Sink) hangsUp(ctx context.Context) (broker string, err error) {
	if k.transport.TLS == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	for _, broker := range k.config.Brokers {
		conn, err := k.config.dial(ctx, "tcp", broker)
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
