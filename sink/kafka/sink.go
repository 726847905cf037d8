// Package kafka is the Kafka sink: events, state and checkpoint in one Kafka transaction.
package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// Config says which cluster the sink writes to and how it gets in.
type Config struct {
	Brokers     []string // host:port
	TopicPrefix string
	Slot        string // names the state and the transactional id
	TLS         bool
	CAFile      string
	CertFile    string
	KeyFile     string
	SASL        string // "", plain, scram-sha-256, scram-sha-512
	User        string
	Password    string
	// Dial opens the connections; nil for TCP. It is given the names and addresses that Brokers and the cluster have.
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Format   Format              // of the events' values
	Registry *Registry           // nil for none
	Foreign  func(*sink.Foreign) // handles records in event topics that are no events; nil: such a record ends the reading
	Notice   func(line string)   // gets what somebody should know although it stops nothing; nil for nobody
	// WithoutEvents takes topics that were copied here and lack events which the state knows of: retention has removed them.
	WithoutEvents bool
	// Copy says that what is written was written elsewhere before: the next start looks whether it is whole.
	Copy bool
	Hook func(point string) error // failpoint for tests; nil in production
	// Watch sees each request of the transactions, by the name of its API, and what it returns sees the answer; for tests, nil in
	// production. Requests to several leaders are sent at once.
	Watch func(api string, request any) (answered func(response any, err error))
}

const (
	stateTopic = "cdc-state"
	// transactionTimeout is when the broker gives a silent writer up, or sooner where it allows less. A dead sidecar blocks
	// committed readers until it is started again or this has passed.
	transactionTimeout = time.Minute
	// retryBudget bounds the retries of one request, below transactionTimeout.
	retryBudget = 45 * time.Second
)

// Sink writes events, state and checkpoint in one Kafka transaction. The state lives in a compacted topic, so the
// sidecar needs no disk. It implements cdc.Sink.
type Sink struct {
	config    Config
	client    *kafka.Client
	transport *kafka.Transport
	producer  *producer
	sorter    *sorter
	framer    *framer   // nil when values are plain JSON
	open      bool      // a transaction with parts of a snapshot is open
	snapshot  *snapshot // which one; nil while none is
	longest   atomic.Int64
	placed    placement // of the state that was read last
	memo      *record   // of the counts of partitions, until it is committed
	reaching  sync.Mutex
	reached   bool // the cluster has answered
	move      move // from another cluster, as the state that was read last knows it
}

// New returns a sink; it does not connect. A wrong configuration is an error.
func New(config Config) (*Sink, error) {
	if config.Format.needsRegistry() && config.Registry == nil {
		return nil, fmt.Errorf("value format %s needs a schema registry; set --schema-registry", config.Format)
	}
	transport, address, err := newTransport(config)
	if err != nil {
		return nil, err
	}
	client := &kafka.Client{Addr: address, Transport: transport, Timeout: requestTimeout}
	return &Sink{config: config, client: client, transport: transport, sorter: newSorter()}, nil
}

// Topics returns the full names of all topics, the state topic last.
func (k *Sink) Topics() []string {
	names := []string{schemas.EntryBlocks, schemas.TrimPools, schemas.EmergencyExits, schemas.Executions,
		schemas.Positions, schemas.Quarantine, schemas.Control, stateTopic}
	for i := range names {
		names[i] = k.config.TopicPrefix + names[i]
	}
	return names
}

func (k *Sink) stateTopic() string { return k.config.TopicPrefix + stateTopic }

// Resume implements cdc.Sink: it fences every older writer, which aborts what that one left open, and then reads the
// state up to the last stable offset.
func (k *Sink) Resume(ctx context.Context, load func(key string, value []byte) error) error {
	if err := k.reach(ctx); err != nil {
		return err
	}
	if err := k.Register(ctx); err != nil {
		return err
	}
	k.producer = newProducer(k)
	if err := k.producer.refresh(ctx); err != nil {
		return err
	}
	if err := k.producer.init(ctx); err != nil {
		return err
	}
	if err := k.readState(ctx, k.producer.partitions[k.stateTopic()], load); err != nil {
		return err
	}
	if err := k.place(); err != nil {
		return err
	}
	return k.Arrive(ctx)
}

// place decides where the state is written to, and says which topics have got other partitions since the last time.
func (k *Sink) place() (err error) {
	p := k.producer
	events, counts := k.eventTopics(nil), countsOf(p.partitions)
	p.partitions[k.stateTopic()], err = k.placed.settle(k.stateTopic(), p.partitions[k.stateTopic()])
	for _, f := range k.placed.grown(events, counts) {
		if k.config.Notice != nil {
			k.config.Notice(f.Name + " " + f.Detail)
		}
	}
	k.memo = k.placed.remember(k.config.Slot, events, counts)
	return err
}

// Subjects returns under which names Register puts the schemas of the event types; none without a registry.
func (k *Sink) Subjects() (subjects []string, err error) {
	if k.config.Registry == nil {
		return nil, nil
	}
	all, err := registrations(k.config.TopicPrefix, k.config.Format)
	for i := range all {
		subjects = append(subjects, all[i].subject)
	}
	return subjects, err
}

// Register makes sure that the schema registry, when there is one, has the schema of every event type. It does nothing
// for schemas that are there.
func (k *Sink) Register(ctx context.Context) error {
	if k.config.Registry == nil {
		return nil
	}
	ids, err := k.config.Registry.register(ctx, k.config.TopicPrefix, k.config.Format)
	if err == nil && k.config.Format.needsRegistry() {
		k.framer, err = newFramer(k.config.Format, ids)
	}
	return err
}

func (k *Sink) readState(ctx context.Context, partitions []int, load func(key string, value []byte) error) error {
	k.placed, k.move = placement{}, move{}
	owners := make(owners)
	v := k.ours(owners, load)
	ours := v.record
	v.record = func(r sink.Stored) error {
		k.move.take(&r, k.config.Slot)
		return errors.Join(k.placed.take(&r, k.config.Slot, partitions), ours(r))
	}
	if err := k.readCommitted(ctx, k.stateTopic(), partitions, v); err != nil {
		return err
	}
	return k.ownTopics(owners)
}

// owners are the slots that have a checkpoint among state records.
type owners map[string]bool

func (o owners) take(r *sink.Stored) {
	if slot, found := bytes.CutSuffix(r.Key, []byte("/"+cdc.CheckpointKey)); found {
		o[string(slot)] = r.Value != nil
	}
}

// ours hands on the state records of this slot, and notes which slots have a checkpoint.
func (k *Sink) ours(owners owners, load func(key string, value []byte) error) visitor {
	return visitor{limit: stateBatch, broken: brokenState, record: func(r sink.Stored) error {
		owners.take(&r)
		key, ours := strings.CutPrefix(string(r.Key), k.config.Slot+"/")
		if !ours {
			return nil // another slot's
		}
		return load(key, r.Value)
	}}
}

// ownTopics refuses topics that only another slot has written to.
func (k *Sink) ownTopics(owners owners) error {
	if owners[k.config.Slot] {
		return nil
	}
	for slot, there := range owners {
		if there {
			return k.othersTopics(slot)
		}
	}
	return nil
}

// othersTopics refuses topics that another slot writes to: a second baseline, and everything twice, would stand between
// its events.
func (k *Sink) othersTopics(other string) error {
	return &sink.ClusterError{
		Err: fmt.Errorf("the topics %s* belong to slot %.80q: %s holds its checkpoint, and none of slot %q",
			k.config.TopicPrefix, other, k.stateTopic(), k.config.Slot),
		Repair: fmt.Sprintf("set --slot %s, or another --topic-prefix; or, when that slot is gone for good, delete the topic %s",
			other, k.stateTopic())}
}

// brokenState ends the reading: what is not known of the rows would be published once more, or never.
func brokenState(at partition, offset int64, _ int, err error) error {
	return fmt.Errorf("%w: %s/%d at %d: %w; restore the topic from a backup, or start again with another --topic-prefix",
		sink.ErrCorrupt, at.topic, at.id, offset, err)
}

// Commit implements cdc.Sink.
func (k *Sink) Commit(ctx context.Context, batch *cdc.Batch) error {
	if k.producer == nil {
		return errors.New("commit to Kafka before Resume")
	}
	if len(batch.Events)+len(batch.State) == 0 && !k.open {
		return nil
	}
	records, err := k.records(batch)
	if err != nil {
		return fmt.Errorf("write Kafka transaction: %w", err)
	}
	if err := k.begin(ctx, batch.More); err != nil {
		return fmt.Errorf("begin Kafka transaction: %w", err)
	}
	k.open = true
	if k.snapshot.isOver() {
		return k.snapshot.tooLong()
	}
	if err := k.write(ctx, records, batch.More); err != nil {
		if errors.Is(err, sink.ErrFenced) && k.snapshot.isOver() {
			return k.snapshot.tooLong() // the broker was faster
		}
		return err
	}
	if batch.More {
		k.snapshot.rows = batch.Rows
		return nil
	}
	k.open, k.snapshot, k.memo, k.move.to = false, nil, nil, ""
	k.producer.agreeAhead(ctx)
	return k.hook("after-end-txn")
}

// write produces records into the open transaction, and commits it unless more follow.
func (k *Sink) write(ctx context.Context, records map[partition][]record, more bool) error {
	if err := k.producer.write(ctx, records); err != nil {
		return fmt.Errorf("write Kafka transaction: %w", err)
	}
	if more {
		return nil
	}
	if err := k.hook("before-end-txn"); err != nil {
		return err
	}
	if err := k.producer.end(ctx); err != nil {
		return fmt.Errorf("commit Kafka transaction: %w", err)
	}
	return nil
}

// begin prepares the producer for a transaction. After a request without an answer the epoch is raised, or the late
// answer of the old transaction could end the new one half-way.
func (k *Sink) begin(ctx context.Context, snapshot bool) error {
	if k.open {
		return nil
	}
	if err := k.producer.agree(ctx); err != nil {
		return err
	}
	if snapshot {
		if err := k.beginSnapshot(ctx); err != nil {
			return err
		}
	} else if k.producer.unanswered || k.producer.timeout != k.producer.usual {
		if err := k.producer.raiseEpoch(ctx, k.producer.usual); err != nil {
			return err
		}
	}
	return k.hook("before-produce")
}

// send sends a request of a transaction.
func (k *Sink) send(ctx context.Context, request protocol.Message) (protocol.Message, error) {
	if k.config.Watch == nil {
		return k.transport.RoundTrip(ctx, k.client.Addr, request)
	}
	watched := request
	if c, is := request.(*coordinated); is {
		watched = c.Message
	}
	answered := k.config.Watch(request.ApiKey().String(), watched)
	response, err := k.transport.RoundTrip(ctx, k.client.Addr, request)
	answered(response, err)
	return response, err
}

func (k *Sink) hook(point string) error {
	if k.config.Hook == nil {
		return nil
	}
	return k.config.Hook(point)
}

// Close implements cdc.Sink. A transaction that is open stays so until the next Resume or its timeout: it is aborted
// then.
func (k *Sink) Close() error {
	k.transport.CloseIdleConnections()
	return nil
}
