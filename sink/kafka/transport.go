package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// newTransport checks the configuration and makes the transport that it asks for.
func newTransport(config Config) (*kafka.Transport, net.Addr, error) {
	for _, broker := range config.Brokers {
		if _, _, err := net.SplitHostPort(broker); err != nil || strings.ContainsAny(broker, ", ") {
			return nil, nil, fmt.Errorf("broker %q is not host:port", broker)
		}
	}
	if len(config.Brokers) == 0 {
		return nil, nil, errors.New("no broker given")
	}
	secure, err := tlsConfig(config)
	if err != nil {
		return nil, nil, err
	}
	mechanism, err := saslMechanism(config)
	if err != nil {
		return nil, nil, err
	}
	registerFetch()
	k := &Sink{config: config}
	return &kafka.Transport{
		Dial:           config.dial,
		DialTimeout:    dialTimeout,
		ClientID:       clientID,
		TLS:            secure,
		SASL:           mechanism,
		MetadataTopics: k.Topics(),
	}, kafka.TCP(config.Brokers...), nil
}

func tlsConfig(config Config) (*tls.Config, error) {
	if !config.TLS && config.CAFile == "" && config.CertFile == "" {
		return nil, nil
	}
	return tlsFiles(config.CAFile, config.CertFile, config.KeyFile)
}

// tlsFiles trusts one CA instead of the system's, and shows a client certificate, where files name them.
func tlsFiles(caFile, certFile, keyFile string) (*tls.Config, error) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read CA certificate: %w", err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read CA certificate: %s holds no PEM certificate", caFile)
		}
	}
	if certFile != "" {
		certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("read client certificate: %w", err)
		}
		secure.Certificates = []tls.Certificate{certificate}
	}
	return secure, nil
}

func saslMechanism(config Config) (sasl.Mechanism, error) {
	switch config.SASL {
	case "":
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: config.User, Password: config.Password}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, config.User, config.Password)
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, config.User, config.Password)
	}
	return nil, fmt.Errorf("SASL mechanism %q is not plain, scram-sha-256 or scram-sha-512", config.SASL)
}

// clientID is how brokers name us in their logs and quotas.
const clientID = "lowcap-cdc"

// dialTimeout is how long a connection to a broker may take.
const dialTimeout = 10 * time.Second

// exchangeTimeout bounds the SASL exchange, which the library leaves without a deadline: a broker that accepts and
// says nothing would hold the sidecar for ever.
const exchangeTimeout = 30 * time.Second

// deadlineConn turns a cleared deadline into one exchangeTimeout away.
type deadlineConn struct{ net.Conn }

func (c deadlineConn) SetDeadline(t time.Time) error {
	if t.IsZero() {
		t = time.Now().Add(exchangeTimeout)
	}
	return c.Conn.SetDeadline(t)
}

// connect opens a connection as the configuration says.
func (c *Config) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial(ctx, network, address)
	}
	return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
}

func (c *Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return nil, err
	}
	return deadlineConn{conn}, nil
}
