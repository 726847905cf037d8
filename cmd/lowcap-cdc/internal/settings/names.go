package settings

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"lowcap-cdc/cdc/pg"
)

const (
	longestName   = 63  // bytes of a name in Postgres (NAMEDATALEN - 1)
	longestPrefix = 200 // bytes; Kafka's topics have at most 249
)

var (
	slotName    = regexp.MustCompile(`^[a-z0-9_]+$`)       // PostgreSQL documentation, "Replication Slots"
	topicName   = regexp.MustCompile(`^[a-zA-Z0-9._-]*$`)  // Kafka's org.apache.kafka.common.internals.Topic
	harmless    = regexp.MustCompile(`^[\w.+:/@-]{1,63}$`) // what an error may repeat, if it holds no password
	schemeOfURL = regexp.MustCompile(`^[a-z0-9+]{1,20}$`)
)

// checkNames reports a name that Postgres or Kafka would refuse, before anything is asked or written.
func (s *Settings) checkNames() error {
	switch {
	case !slotName.MatchString(s.Slot) || len(s.Slot) > longestName:
		return Usage(fmt.Errorf("--slot%s is no name of a replication slot: it takes 1 to %d of a to z, 0 to 9 and _",
			repeated(s.Slot), longestName))
	case s.Publication == "" || len(s.Publication) > longestName || strings.ContainsRune(s.Publication, 0):
		return Usage(fmt.Errorf("--publication%s is no name: it takes 1 to %d bytes", repeated(s.Publication), longestName))
	case s.Schema == "" || len(s.Schema) > longestName || strings.ContainsRune(s.Schema, 0):
		return Usage(fmt.Errorf("--schema%s is no name: it takes 1 to %d bytes", repeated(s.Schema), longestName))
	case !topicName.MatchString(s.TopicPrefix) || len(s.TopicPrefix) > longestPrefix:
		return Usage(fmt.Errorf("--topic-prefix%s cannot begin a topic's name: it takes at most %d of a to z, A to Z, 0 to 9, dot, _ and -",
			repeated(s.TopicPrefix), longestPrefix))
	}
	return nil
}

// checkDatabase reports what is wrong with --postgres before anything is connected.
func (s *Settings) checkDatabase() error {
	if err := pg.CheckDSN(s.Postgres); err != nil {
		return Usage(fmt.Errorf("--postgres: %w", err))
	}
	return nil
}

// checkKafka reports settings that contradict each other.
func (s *Settings) checkKafka() error {
	secret := s.KafkaPassword != "" || s.KafkaPasswordFile != ""
	switch {
	case s.KafkaSASL == "" && (s.KafkaUser != "" || secret):
		return Usage(errors.New("--kafka-user and a password are for SASL; set --kafka-sasl to plain, scram-sha-256 or scram-sha-512"))
	case s.KafkaSASL != "" && (s.KafkaUser == "" || !secret):
		return Usage(errors.New("--kafka-sasl needs --kafka-user and --kafka-password-file"))
	case (s.KafkaCert == "") != (s.KafkaKey == ""):
		return Usage(errors.New("--kafka-cert and --kafka-key belong together"))
	}
	return nil
}

// brokersOf reads the host:port pairs of --sink kafka://.
func brokersOf(url string) ([]string, error) {
	list, ok := strings.CutPrefix(url, "kafka://")
	if !ok || list == "" || strings.ContainsAny(list, "@/?") {
		return nil, Usage(errors.New("--sink kafka:// takes host:port pairs with commas between them, and nothing else; " +
			"users and passwords go to --kafka-user and --kafka-password-file"))
	}
	brokers := strings.Split(list, ",")
	for _, broker := range brokers {
		host, port, err := net.SplitHostPort(broker)
		where := ""
		if err == nil {
			where = repeated(broker)
		}
		if n, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || n == 0 || host == "" || strings.ContainsAny(host, " \t") {
			return nil, Usage(fmt.Errorf("--sink: broker%s is not host:port with a port from 1 to 65535", where))
		}
	}
	return brokers, nil
}

// repeated returns a value for an error, after a space and in quotes, unless it may be a secret in the wrong place.
func repeated(value string) string {
	if !harmless.MatchString(value) || strings.Contains(value, "://") || strings.Contains(value, "@") {
		return ""
	}
	return " " + strconv.Quote(value)
}

// Derived returns another slot's name, made of one and of a suffix. It is not longer than Postgres takes.
func Derived(slot, suffix string) string {
	return slot[:min(len(slot), longestName-len(suffix))] + suffix
}
