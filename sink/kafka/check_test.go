package kafka

import (
	"net"
	"strconv"
	"testing"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/cdc/check"
)

// TestCheckListeners: a broker that tells clients an address which this host does not reach is a warning, and a failure where
// that is all of them.
func TestCheckListeners(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // the test is over
	_, text, _ := net.SplitHostPort(listener.Addr().String())
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	up, lost := kafka.Broker{ID: 1, Host: "127.0.0.1", Port: port}, kafka.Broker{ID: 2, Host: "kafka-2.internal.invalid", Port: 9092}
	if findings := (&Sink{}).checkListeners(t.Context(), []kafka.Broker{up}); len(findings) > 0 {
		t.Errorf("%+v", findings)
	}
	if findings := (&Sink{}).checkListeners(t.Context(), []kafka.Broker{up, lost}); len(findings) != 1 || findings[0].Severity != check.Warn {
		t.Errorf("%+v", findings)
	}
	if findings := (&Sink{}).checkListeners(t.Context(), []kafka.Broker{lost}); len(findings) != 1 || findings[0].Severity != check.Fail {
		t.Errorf("%+v", findings)
	}
}

// TestCheckTransport: events that others can read on their way are a warning, unless they do not leave the host.
func TestCheckTransport(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		warns  bool
	}{
		"this host":      {Config{Brokers: []string{"127.0.0.1:9092", "localhost:9092", "[::1]:9092"}}, false},
		"another host":   {Config{Brokers: []string{"localhost:9092", "kafka.example.com:9092"}}, true},
		"with a login":   {Config{Brokers: []string{"10.0.0.1:9092"}, SASL: "plain", User: "u", Password: "p"}, true},
		"TLS everywhere": {Config{Brokers: []string{"10.0.0.1:9092"}, TLS: true}, false},
	} {
		k, err := New(c.config)
		if err != nil {
			t.Fatal(err)
		}
		findings := k.checkTransport()
		if warns := len(findings) == 1 && findings[0].Severity == check.Warn; warns != c.warns || len(findings) > 1 {
			t.Errorf("%s: %+v", name, findings)
		}
	}
}
