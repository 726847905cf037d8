package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/sink"
)

// The settings of topics that the promise rests on, by the names that Kafka's documentation has them under.
const (
	cleanupPolicy   = "cleanup.policy"
	maxMessage      = "max.message.bytes"
	minInsync       = "min.insync.replicas"
	uncleanElection = "unclean.leader.election.enable"
	deleteRetention = "delete.retention.ms"
	retention       = "retention.ms"
	retentionBytes  = "retention.bytes"
	timestampType   = "message.timestamp.type"
	timestampBefore = "message.timestamp.before.max.ms"
	timestampAfter  = "message.timestamp.after.max.ms"
	timestampEither = "message.timestamp.difference.max.ms" // before Kafka 3.6
)

// topicSettings are the settings of topics, by the topics' full names. A topic is missing that may not be described.
type topicSettings map[string]map[string]string

// describe reads the settings of every topic.
func (k *Sink) describe(ctx context.Context) (topicSettings, error) {
	request := &kafka.DescribeConfigsRequest{}
	for _, name := range k.Topics() {
		request.Resources = append(request.Resources,
			kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: name})
	}
	response, err := k.client.DescribeConfigs(ctx, request)
	if err != nil {
		return nil, err
	}
	all := make(topicSettings)
	for _, r := range response.Resources {
		if errors.Is(r.Error, kafka.TopicAuthorizationFailed) || errors.Is(r.Error, kafka.ClusterAuthorizationFailed) {
			continue
		}
		if r.Error != nil {
			return nil, fmt.Errorf("topic %q: %w", r.ResourceName, r.Error)
		}
		all[r.ResourceName] = make(map[string]string)
		for _, entry := range r.ConfigEntries {
			all[r.ResourceName][entry.ConfigName] = entry.ConfigValue
		}
	}
	return all, nil
}

// number returns a setting that is a number, and unknown where it is not known.
func (s topicSettings) number(topic, name string, unknown int64) int64 {
	if n, err := strconv.ParseInt(s[topic][name], 10, 64); err == nil {
		return n
	}
	return unknown
}

// messageLimits returns each topic's max.message.bytes; where the right to read it is missing, the default counts.
func (k *Sink) messageLimits(s topicSettings) map[string]int {
	limits := make(map[string]int)
	for _, name := range k.Topics() {
		limits[name] = int(min(s.number(name, maxMessage, defaultLimit), math.MaxInt32))
	}
	return limits
}

// smallestLimit is what every event fits into with its headers, in bytes; the contract bounds an event below that.
const smallestLimit = 1_000_000

// problem is a setting that breaks the promise, or that an operator should know of.
type problem struct {
	severity check.Severity
	topic    string
	what     string
	set      string // name=value that repairs it
}

// problems judges the settings of every topic that is known. copies is how many replicas each topic has.
func (k *Sink) problems(s topicSettings, copies map[string]int) (all []problem) {
	for _, topic := range k.Topics() {
		if s[topic] == nil {
			continue
		}
		if topic == k.stateTopic() {
			all = append(all, s.stateProblems(topic)...)
		} else {
			all = append(all, s.eventProblems(topic)...)
		}
		all = append(append(all, s.timeProblems(topic)...), s.replicaProblems(topic, copies[topic])...)
	}
	return all
}

func (s topicSettings) stateProblems(topic string) (all []problem) {
	if policy := s[topic][cleanupPolicy]; policy != "" && policy != "compact" {
		all = append(all, problem{check.Fail, topic, cleanupPolicy + "=" + policy +
			": the broker removes what is known of rows that did not change lately", cleanupPolicy + "=compact"})
	}
	if n := s.number(topic, maxMessage, stateLimit); n < stateLimit {
		all = append(all, problem{check.Warn, topic, fmt.Sprintf("%s=%d: a row with a long history does not fit", maxMessage, n),
			fmt.Sprintf("%s=%d", maxMessage, stateLimit)})
	}
	if ms := s.number(topic, deleteRetention, math.MaxInt64); ms < time.Minute.Milliseconds() {
		all = append(all, problem{check.Fail, topic, fmt.Sprintf("%s=%d: a start may miss that a row is gone", deleteRetention, ms),
			deleteRetention + "=3600000"})
	}
	return all
}

// leastRetained is less than an hour of a busy bot, in bytes.
const leastRetained = 16 << 20

func (s topicSettings) eventProblems(topic string) (all []problem) {
	if policy := s[topic][cleanupPolicy]; strings.Contains(policy, "compact") {
		all = append(all, problem{check.Fail, topic, cleanupPolicy + "=" + policy +
			": of the events of one row the broker keeps the last one only", cleanupPolicy + "=delete"})
	}
	if n := s.number(topic, maxMessage, defaultLimit); n < smallestLimit {
		all = append(all, problem{check.Warn, topic, fmt.Sprintf("%s=%d: a large event would end the stream", maxMessage, n),
			fmt.Sprintf("%s=%d", maxMessage, defaultLimit)})
	}
	if ms := s.number(topic, retention, -1); ms >= 0 && ms < time.Hour.Milliseconds() {
		all = append(all, problem{check.Warn, topic, fmt.Sprintf("%s=%d: events are gone before a consumer that was down has read them",
			retention, ms), retention + "=604800000"})
	}
	if n := s.number(topic, retentionBytes, -1); n >= 0 && n < leastRetained {
		all = append(all, problem{check.Warn, topic, fmt.Sprintf("%s=%d: events are gone before a consumer that was down has read them",
			retentionBytes, n), retentionBytes + "=-1"})
	}
	return all
}

// leastAge is how old a record may be at least when it comes: older ones are stamped anew, and still travel for a while.
const leastAge = time.Minute

func (s topicSettings) timeProblems(topic string) (all []problem) {
	for _, name := range []string{timestampBefore, timestampEither} {
		if ms := s.number(topic, name, math.MaxInt64); ms < leastAge.Milliseconds() {
			all = append(all, problem{check.Fail, topic, fmt.Sprintf("%s=%d: the broker refuses records that were underway for so long", name, ms),
				name + "=9223372036854775807"})
		}
	}
	return all
}

func (s topicSettings) replicaProblems(topic string, copies int) (all []problem) {
	needed := s.number(topic, minInsync, 1)
	switch {
	case copies > 0 && needed > int64(copies):
		all = append(all, problem{check.Fail, topic, fmt.Sprintf("%s=%d, but the topic has %d replicas: nothing can be written", minInsync,
			needed, copies), fmt.Sprintf("%s=%d", minInsync, max(1, copies-1))})
	case copies > 1 && needed < 2:
		all = append(all, problem{check.Warn, topic, fmt.Sprintf("%s=%d: what was committed may be lost with one broker", minInsync, needed),
			minInsync + "=2"})
	}
	if s[topic][uncleanElection] == "true" {
		all = append(all, problem{check.Warn, topic, uncleanElection + "=true: a broker that lags behind may become leader, and what was " +
			"committed is lost", uncleanElection + "=false"})
	}
	return all
}

// Keeps returns how long each event topic keeps a record behind the time that it is stamped with; a topic is missing that keeps it
// for ever, counts from when the record comes, or may not be described.
func (k *Sink) Keeps(ctx context.Context) (map[string]time.Duration, error) {
	s, err := k.describe(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the topics' settings: %w", explain(err))
	}
	keeps := make(map[string]time.Duration)
	for _, topic := range k.eventTopics(nil) {
		if ms := s.number(topic, retention, -1); ms >= 0 && s[topic][timestampType] != "LogAppendTime" {
			keeps[strings.TrimPrefix(topic, k.config.TopicPrefix)] = 2 * halfOf(ms)
		}
	}
	return keeps, nil
}

// KeepForEver returns the command that makes a topic keep every record.
func (k *Sink) KeepForEver(topic string) string {
	p := problem{topic: k.config.TopicPrefix + topic, set: retention + "=-1"}
	return p.repair(k.config.Brokers)
}

// repair returns the command that sets what is wrong.
func (p *problem) repair(brokers []string) string {
	return fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s",
		strings.Join(brokers, ","), p.topic, p.set)
}

// checkSettings refuses a start that could not keep the promise. Topics that may not be described count as right; the verb
// check warns of them.
func (k *Sink) checkSettings(s topicSettings, copies map[string]int) error {
	for _, p := range k.problems(s, copies) {
		if p.severity == check.Fail {
			return &sink.ClusterError{Err: fmt.Errorf("topic %q has %s", p.topic, p.what), Repair: "run: " + p.repair(k.config.Brokers)}
		}
	}
	return nil
}

// settingFindings are the problems as check prints them, the worst of each topic first.
func (k *Sink) settingFindings(s topicSettings, copies map[string]int) (findings []check.Finding) {
	hidden := slices.DeleteFunc(slices.Sorted(maps.Keys(copies)), func(topic string) bool { return s[topic] != nil })
	if len(hidden) > 0 {
		findings = append(findings, check.Finding{Name: "topic settings", Severity: check.Warn,
			Detail: "may not be read of " + strings.Join(hidden, ", "), Repair: "grant DescribeConfigs on the topics"})
	}
	problems := k.problems(s, copies)
	slices.SortStableFunc(problems, func(a, b problem) int { return cmp.Compare(a.severity, b.severity) }) // fail before warn
	for _, p := range problems {
		findings = append(findings, check.Finding{Name: "topic " + p.topic, Severity: p.severity, Detail: p.what,
			Repair: p.repair(k.config.Brokers)})
	}
	return findings
}

// window is which timestamps a topic's broker takes, as far from now as it may be.
type window struct{ before, after time.Duration }

// windows returns the window of each topic. Both clocks differ, so half of what is allowed is used.
func (k *Sink) windows(s topicSettings) map[string]window {
	all := make(map[string]window)
	for _, topic := range k.Topics() {
		either := s.number(topic, timestampEither, math.MaxInt64)
		before := min(s.number(topic, timestampBefore, math.MaxInt64), either)
		after := min(s.number(topic, timestampAfter, time.Hour.Milliseconds()), either)
		all[topic] = window{halfOf(before), halfOf(after)}
	}
	return all
}

func halfOf(ms int64) time.Duration {
	const longest = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(min(ms, longest)) * time.Millisecond / 2
}
