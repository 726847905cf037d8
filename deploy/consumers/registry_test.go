package consumers

import (
	"os/exec"
	"testing"

	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/sink/kafka"
)

// registered publishes the recording once more, in a format that needs a schema registry, and returns the registry.
func (s *stage) registered(t *testing.T, prefix string, format kafka.Format) *lab.Registry {
	t.Helper()
	registry, err := shared.registry()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kafka.NewRegistry(kafka.RegistryConfig{URL: registry.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.publish(t.Context(), kafka.Config{TopicPrefix: prefix, Slot: prefix, Format: format, Registry: client}); err != nil {
		t.Fatal(err)
	}
	return registry
}

// TestPythonDeserializers reads with Confluent's own deserialisers, which look the schemas up in a registry that is not
// Confluent's.
func TestPythonDeserializers(t *testing.T) {
	s := onStage(t)
	for _, format := range []kafka.Format{kafka.JSONSchema, kafka.Avro} {
		t.Run(string(format), func(t *testing.T) {
			prefix := "python-" + string(format) + "."
			registry := s.registered(t, prefix, format)
			recipe := edited(t, copyOf(t, "registry"), "alerts.py", `"lowcap."`, `"`+prefix+`"`)
			same(t, output(t, exec.CommandContext(t.Context(), python(t, "registry/requirements.txt"), recipe,
				s.kafka.Addr(), registry.URL(), string(format), "--once")), s.names())
		})
	}
}

// TestJavaDeserializers reads with Apicurio's deserialisers, in Confluent's wire format. (Confluent's own are not on Maven
// Central.)
func TestJavaDeserializers(t *testing.T) {
	s := onStage(t)
	for _, format := range []kafka.Format{kafka.JSONSchema, kafka.Avro} {
		t.Run(string(format), func(t *testing.T) {
			prefix := "java-" + string(format) + "."
			registry := s.registered(t, prefix, format)
			recipe := edited(t, copyOf(t, "registry"), "Alerts.java", `"lowcap."`, `"`+prefix+`"`)
			same(t, output(t, java(t, jars(t, "registry"), recipe, s.kafka.Addr(), registry.NativeURL(), string(format), "--once")), s.names())
		})
	}
}
