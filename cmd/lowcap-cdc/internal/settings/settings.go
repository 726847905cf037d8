package settings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

// Settings are everything that can be configured.
type Settings struct {
	Config      kong.ConfigFlag `help:"Read settings from this YAML file; its keys are the names of these flags." type:"existingfile" placeholder:"FILE"`
	Postgres    string          `help:"The database, as libpq has it: a URL or key=value pairs; passwords may come from PGPASSWORD or the password file." placeholder:"DSN"`
	Sink        string          `help:"Where events go: kafka://h1:9092,h2:9092, file:DIR?rotate=256MB&every=24h (both optional), or stdout: to look." placeholder:"URL"`
	Slot        string          `help:"The replication slot; one for each sink." default:"lowcap_cdc"`
	Publication string          `help:"The publication." default:"lowcap_cdc"`
	Schema      string          `help:"The schema of the two tables." default:"public"`
	TopicPrefix string          `help:"The prefix of each topic's name." default:"lowcap."`
	LogLevel    string          `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	LogFormat   string          `help:"json or console." enum:"json,console" default:"json"`

	KafkaTLS          bool   `help:"Encrypt connections to Kafka." name:"kafka-tls"`
	KafkaCA           string `help:"Trust the brokers whose certificates this CA has signed (PEM)." name:"kafka-ca" placeholder:"FILE"`
	KafkaCert         string `help:"Client certificate (PEM)." placeholder:"FILE"`
	KafkaKey          string `help:"Key of the client certificate (PEM)." placeholder:"FILE"`
	KafkaSASL         string `help:"plain, scram-sha-256 or scram-sha-512." name:"kafka-sasl" enum:",plain,scram-sha-256,scram-sha-512" default:""`
	KafkaUser         string `help:"SASL user." placeholder:"NAME"`
	KafkaPassword     string `help:"SASL password; better by environment or --kafka-password-file." placeholder:"SECRET"`
	KafkaPasswordFile string `help:"File that holds the SASL password." placeholder:"FILE"`

	ValueFormat                string `help:"How values are written to Kafka: cloudevents-json, or json-schema or avro in Confluent's wire format." enum:"cloudevents-json,json-schema,avro" default:"cloudevents-json"`
	SchemaRegistry             string `help:"Register the event types' schemas here before the first event, and read Avro with it; user, and password, may stand in the URL." placeholder:"URL"`
	SchemaRegistryPasswordFile string `help:"File that holds the password of the user in --schema-registry." placeholder:"FILE"`
	SchemaRegistryCA           string `help:"Trust the registry when this CA has signed its certificate (PEM)." name:"schema-registry-ca" placeholder:"FILE"`
	SchemaRegistryCert         string `help:"Client certificate for the registry (PEM)." placeholder:"FILE"`
	SchemaRegistryKey          string `help:"Key of that certificate (PEM)." placeholder:"FILE"`

	Version       string `kong:"-"` // of this binary
	WithoutEvents bool   `kong:"-"` // copied topics may lack events that their state knows of
	Copy          bool   `kong:"-"` // what is written was written elsewhere before

	Dial Dialers `kong:"-"` // of a program that has networks of its own

	registry *kafka.Registry // of --schema-registry, for as long as the process lives
	foreign  *foreignRecords // of the topics, that were told of
	damage   *damage         // of the file sink, that was told of
}

// Dialers open connections where there is no network but that of the program; nil for TCP.
type Dialers struct {
	Postgres, Kafka func(ctx context.Context, network, address string) (net.Conn, error)
}

// Logger returns the logger that the settings ask for.
func (s *Settings) Logger(w io.Writer) zerolog.Logger {
	if s.LogFormat == "console" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !IsColoured(w), FormatPrepare: printableFields}
	}
	level, err := zerolog.ParseLevel(s.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

// Source returns where changes come from.
func (s *Settings) Source() pg.Config {
	c := pg.Config{DSN: s.Postgres, Schema: s.Schema, Slot: s.SlotName(), Publication: s.Publication, Hook: failpoint(), Dial: s.Dial.Postgres}
	c.Temporary = s.isLook()
	return c
}

// isLook reports whether events are only looked at, and nothing is to stay behind.
func (s *Settings) isLook() bool { return s.Sink == "stdout:" }

// SlotName returns the slot's name. A look at the events gets a slot of its own, beside the one in use.
func (s *Settings) SlotName() string {
	if s.isLook() {
		return Derived(s.Slot, fmt.Sprintf("_look_%d", os.Getpid()))
	}
	return s.Slot
}

// Require reports what is missing before anything is connected.
func (s *Settings) Require() error {
	if err := s.RequireDatabase(); err != nil {
		return err
	}
	if s.Sink == "" {
		return Usage(errors.New("no sink given; set --sink or LOWCAP_CDC_SINK to kafka://HOST:PORT, file:DIR or \"stdout:\""))
	}
	plain := s.ValueFormat == string(kafka.CloudEventsJSON) && s.SchemaRegistry == ""
	if !plain && !strings.HasPrefix(s.Sink, "kafka:") {
		return Usage(errors.New("--value-format and --schema-registry are for --sink kafka://HOST:PORT; the other sinks hold JSON"))
	}
	_, err := s.OpenSink(io.Discard)
	return err
}

// RequireDatabase is Require for a verb that may do without a sink.
func (s *Settings) RequireDatabase() error {
	if strings.TrimSpace(s.Postgres) == "" {
		return Usage(errors.New("no database given; set --postgres or LOWCAP_CDC_POSTGRES"))
	}
	if err := s.checkDatabase(); err != nil {
		return err
	}
	return s.checkNames()
}

// OpenSink makes the sink of --sink. It does not connect.
func (s *Settings) OpenSink(out io.Writer) (cdc.Sink, error) {
	if err := s.checkNames(); err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(s.Sink, ":")
	switch scheme {
	case "stdout":
		if !s.isLook() { // which leaves no slot behind
			return nil, Usage(errors.New("--sink stdout: is written with its colon, and nothing behind it"))
		}
		return sink.NewStdout(out), nil
	case "file":
		return s.openFile(rest)
	case "kafka":
		return s.openKafka()
	}
	if !schemeOfURL.MatchString(scheme) {
		scheme = ""
	}
	return nil, Usage(fmt.Errorf("--sink%s is neither stdout: nor file:DIR nor kafka://HOST:PORT", repeated(scheme)))
}

func (s *Settings) openKafka() (*kafka.Sink, error) {
	brokers, err := brokersOf(s.Sink)
	if err != nil {
		return nil, err
	}
	if err := s.checkKafka(); err != nil {
		return nil, err
	}
	password, err := Secret("--kafka-password-file", s.KafkaPasswordFile, s.KafkaPassword)
	if err != nil {
		return nil, err
	}
	if err := s.openRegistry(); err != nil {
		return nil, err
	}
	if s.foreign == nil {
		s.foreign = &foreignRecords{told: make(map[sink.Foreign]bool)}
	}
	k, err := kafka.New(kafka.Config{
		Brokers: brokers, TopicPrefix: s.TopicPrefix, Slot: s.Slot,
		TLS: s.KafkaTLS, CAFile: s.KafkaCA, CertFile: s.KafkaCert, KeyFile: s.KafkaKey,
		SASL: s.KafkaSASL, User: s.KafkaUser, Password: password, Hook: failpoint(), Watch: watch(), Dial: s.Dial.Kafka,
		Format: kafka.Format(s.ValueFormat), Registry: s.registry,
		Foreign: func(f *sink.Foreign) { s.foreign.tell(s, os.Stderr, f) },
		Notice:  s.notice, WithoutEvents: s.WithoutEvents, Copy: s.Copy,
	})
	if err != nil {
		return nil, Usage(err)
	}
	return k, nil
}

// notice logs what a sink says that stops nothing.
func (s *Settings) notice(line string) {
	log := s.Logger(os.Stderr)
	log.Warn().Msg(line)
}

// openRegistry makes the registry of --schema-registry, once. It does not connect.
func (s *Settings) openRegistry() error {
	if s.SchemaRegistry == "" || s.registry != nil {
		return nil
	}
	password, err := Secret("--schema-registry-password-file", s.SchemaRegistryPasswordFile, "")
	if err != nil {
		return err
	}
	s.registry, err = kafka.NewRegistry(kafka.RegistryConfig{URL: s.SchemaRegistry, Password: password,
		CAFile: s.SchemaRegistryCA, CertFile: s.SchemaRegistryCert, KeyFile: s.SchemaRegistryKey})
	if err != nil {
		return Usage(fmt.Errorf("--schema-registry: %w", err))
	}
	return nil
}

// Secret returns what a file holds, or the other value where no file is named.
func Secret(flag, file, other string) (string, error) {
	if file == "" {
		return other, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", Usage(fmt.Errorf("read %s: %w", flag, err))
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if secret == "" {
		return "", Usage(fmt.Errorf("%s: the file is empty", flag))
	}
	return secret, nil
}

// Redact removes a password from a URL.
func Redact(text string) string {
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}
