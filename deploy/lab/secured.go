package lab

import (
	"context"
	"fmt"
)

// secured are the listeners of a broker that grants nothing to anybody but its super users. ANONYMOUS, who comes by
// the open listener, is one of them.
type secured struct {
	sasl, tls, saslTLS int  // ports
	open               bool // TLS is all there is beside the open listener, and everything is granted to everybody
	certificates       *Certificates
}

// StartSecuredKafka starts a broker with three more listeners. The user alice has the password "wonderland" and every
// right, mallory the password "mirror" and only what is granted to her.
//   - Secured: SASL by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 (mallory by PLAIN only)
//   - TLS: the client needs a certificate
//   - SecuredTLS: SASL by SCRAM-SHA-512 over TLS
func StartSecuredKafka(ctx context.Context) (*Kafka, error) {
	s := &secured{}
	for _, port := range []*int{&s.sasl, &s.tls, &s.saslTLS} {
		var err error
		if *port, err = FreePort(); err != nil {
			return nil, err
		}
	}
	return startKafka(ctx, &Kafka{secured: s})
}

// Secured returns host:port of the listener that asks for SASL.
func (k *Kafka) Secured() string { return fmt.Sprintf("127.0.0.1:%d", k.secured.sasl) }

// StartKafkaAsShipped starts a broker with the Java options of kafka-server-start.sh, to measure. It has an open listener and
// one for TLS that takes every client.
func StartKafkaAsShipped(ctx context.Context) (*Kafka, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	return startKafka(ctx, &Kafka{secured: &secured{tls: port, open: true}, jvm: []string{"-Xms1G", "-Xmx1G", "-server", "-XX:+UseG1GC",
		"-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"}})
}

// TLS returns host:port of the listener for TLS, which asks for a client certificate where anything is secured.
func (k *Kafka) TLS() string { return fmt.Sprintf("127.0.0.1:%d", k.secured.tls) }

// SecuredTLS returns host:port of the listener that asks for SASL over TLS.
func (k *Kafka) SecuredTLS() string { return fmt.Sprintf("127.0.0.1:%d", k.secured.saslTLS) }

// Certificates returns the files that a client of the TLS listeners needs; they are gone with the broker.
func (k *Kafka) Certificates() *Certificates { return k.secured.certificates }

// credentials are the arguments that format the storage with alice in it.
func (s *secured) credentials() []string {
	if s.open {
		return nil
	}
	return []string{"--add-scram", "SCRAM-SHA-256=[name=alice,password=wonderland]", "--add-scram",
		"SCRAM-SHA-512=[name=alice,password=wonderland]"}
}

// securedProperties overrides the listeners; of a key that is there twice the last one counts.
func (k *Kafka) securedProperties() []string {
	s := k.secured
	if s.open {
		return s.openProperties(k)
	}
	addresses := fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,SASL_PLAINTEXT://127.0.0.1:%d,SSL://127.0.0.1:%d,"+
		"SASL_SSL://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d",
		k.port, s.sasl, s.tls, s.saslTLS, k.controller)
	scram := "=org.apache.kafka.common.security.scram.ScramLoginModule required;"
	return []string{
		"listeners=" + addresses, "advertised.listeners=" + addresses,
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
		"listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		`listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required ` +
			`user_alice="wonderland" user_mallory="mirror";`,
		"listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config" + scram,
		"listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config" + scram,
		"listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512",
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config" + scram,
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + s.certificates.Server,
		"ssl.truststore.type=PEM", "ssl.truststore.location=" + s.certificates.CA,
		"listener.name.ssl.ssl.client.auth=required",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS;User:alice;User:CN=lowcap-cdc",
	}
}

func (s *secured) openProperties(k *Kafka) []string {
	addresses := fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,SSL://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", k.port, s.tls, k.controller)
	return []string{
		"listeners=" + addresses, "advertised.listeners=" + addresses,
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT",
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + s.certificates.Server,
	}
}
