package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/produce"

	"lowcap-cdc/sink"
)

// producer speaks the transaction protocol. One goroutine owns it.
type producer struct {
	k           *Sink
	name        string // transactional id
	id          int64
	epoch       int16
	timeout     time.Duration // of its transactions
	usual       time.Duration // of one that holds no snapshot
	sequences   map[partition]int32
	added       map[partition]bool // to the open transaction
	partitions  map[string][]int
	leaders     map[partition]int
	limits      map[string]int // max.message.bytes
	windows     map[string]window
	behind      time.Duration // how far the brokers' clock turned out to be behind ours, at least
	encoder     encoder
	unanswered  bool // a request of this epoch got no answer: it may still arrive at the broker
	v2          bool // transactions are of version 2
	agreed      time.Time
	coordinator int       // of our transactions; -1 while it is not known
	ended       time.Time // the last transaction
}

const (
	// requestTimeout is how long one request may take.
	requestTimeout = 30 * time.Second
	// batchMargin is kept free below a topic's limit, in bytes.
	batchMargin = 1024
	// expectedRatio is the least by which compression shrinks events.
	expectedRatio = 3
)

func newProducer(k *Sink) *producer {
	return &producer{k: k, name: k.config.TopicPrefix + "cdc-" + k.config.Slot, id: -1, epoch: -1, coordinator: -1,
		encoder: encoder{contentType: k.config.Format.contentType()}}
}

// roundTrip sends one request. After an error no one knows whether it has reached the broker.
func (p *producer) roundTrip(ctx context.Context, request protocol.Message) (protocol.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := p.k.send(ctx, request)
	if err != nil {
		p.unanswered = true
	}
	return response, err
}

// init takes a producer id with a new epoch, which fences every older holder of the transactional id.
func (p *producer) init(ctx context.Context) error {
	p.id, p.epoch = -1, -1
	if err := p.agree(ctx); err != nil {
		return err
	}
	err := allowed(transactionTimeout, func(timeout time.Duration) error { return p.initProducer(ctx, timeout) })
	if err != nil {
		return fmt.Errorf("take transactional id %q: %w", p.name, err)
	}
	p.usual = p.timeout
	return nil
}

// raiseEpoch makes late requests of this producer harmless.
func (p *producer) raiseEpoch(ctx context.Context, timeout time.Duration) error {
	if err := p.initProducer(ctx, timeout); err != nil {
		return fmt.Errorf("raise the epoch of %q: %w", p.name, err)
	}
	return nil
}

func (p *producer) initProducer(ctx context.Context, timeout time.Duration) error {
	err := p.k.retry(ctx, func() error {
		response, err := p.roundTrip(ctx, &initproducerid.Request{TransactionalID: p.name,
			TransactionTimeoutMs: int32(timeout.Milliseconds()), ProducerID: p.id, ProducerEpoch: p.epoch})
		if err != nil {
			return err
		}
		r := response.(*initproducerid.Response)
		if r.ErrorCode != 0 {
			return kafka.Error(r.ErrorCode) // its producer id is -1: writing with that would bypass the transaction
		}
		p.id, p.epoch = r.ProducerID, r.ProducerEpoch
		return nil
	})
	if err != nil {
		return err
	}
	p.unanswered, p.timeout = false, timeout
	p.sequences, p.added = make(map[partition]int32), make(map[partition]bool)
	return nil
}

// refresh reads the partitions, their leaders and limits. The partition count decides where a key goes, so it is read
// once, when the sink is opened; leaders are read again when one has moved.
func (p *producer) refresh(ctx context.Context) error {
	return p.k.retry(ctx, func() error {
		meta, err := p.k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: p.k.Topics()})
		if err != nil {
			return err
		}
		partitions, leaders := make(map[string][]int), make(map[partition]int)
		for _, t := range meta.Topics {
			if t.Error != nil {
				return fmt.Errorf("topic %q: %w", t.Name, t.Error)
			}
			for _, part := range t.Partitions {
				partitions[t.Name] = append(partitions[t.Name], part.ID)
				leaders[partition{t.Name, part.ID}] = part.Leader.ID
			}
			slices.Sort(partitions[t.Name])
		}
		p.leaders = leaders
		if p.partitions == nil {
			p.partitions = partitions
		}
		if p.limits == nil {
			return p.readSettings(ctx, meta)
		}
		return nil
	})
}

// readSettings reads what the topics take, and refuses those that break the promise.
func (p *producer) readSettings(ctx context.Context, meta *kafka.MetadataResponse) error {
	copies, err := copiesOf(meta)
	if err != nil {
		return err
	}
	settings, err := p.k.describe(ctx)
	if err != nil {
		return err
	}
	if err := p.k.checkSettings(settings, copies); err != nil {
		return err
	}
	p.limits, p.windows = p.k.messageLimits(settings), p.k.windows(settings)
	return nil
}

// write produces records into the open transaction.
func (p *producer) write(ctx context.Context, records map[partition][]record) error {
	if err := p.addPartitions(ctx, records); err != nil {
		return err
	}
	queues, err := p.encode(records)
	if err != nil {
		return err
	}
	for round := 0; len(queues) > 0; round++ {
		if round == 1 {
			if err := p.k.hook("between-partitions"); err != nil {
				return err
			}
		}
		if err := p.produceRound(ctx, queues); err != nil {
			return err
		}
		for at := range queues {
			if queues[at] = queues[at][1:]; len(queues[at]) == 0 {
				delete(queues, at)
			}
		}
	}
	return nil
}

// addPartitions tells the coordinator which partitions the transaction writes, unless their broker does that.
func (p *producer) addPartitions(ctx context.Context, records map[partition][]record) error {
	if p.v2 && p.addsAtOnce(records) {
		return nil
	}
	topics := make(map[string][]int32)
	for at := range records {
		if !p.added[at] {
			topics[at.topic] = append(topics[at.topic], int32(at.id))
		}
	}
	if len(topics) == 0 {
		return nil
	}
	request := &addpartitionstotxn.Request{TransactionalID: p.name, ProducerID: p.id, ProducerEpoch: p.epoch}
	for name, ids := range topics {
		request.Topics = append(request.Topics, addpartitionstotxn.RequestTopic{Name: name, Partitions: ids})
	}
	err := p.k.retry(ctx, func() error { return p.coordinate(ctx, request, addedError) })
	if err != nil {
		return err
	}
	for at := range records {
		p.added[at] = true
	}
	return nil
}

// addedError returns the error that matters: one refused topic makes the others of the same request fail with
// operationNotAttempted.
func addedError(response protocol.Message) error {
	var worst error
	for _, t := range response.(*addpartitionstotxn.Response).Results {
		for _, result := range t.Results {
			err := kafka.Error(result.ErrorCode)
			if result.ErrorCode != 0 && (worst == nil || errors.Is(worst, operationNotAttempted)) {
				worst = fmt.Errorf("topic %q: %w", t.Name, err)
			}
		}
	}
	return worst
}

// encode cuts each partition's records into batches below its topic's limit. Sequence numbers are taken here, once: a
// batch that is sent again is the same batch.
func (p *producer) encode(records map[partition][]record) (map[partition][][]byte, error) {
	if p.id < 0 {
		return nil, errors.New("encode records without a producer id")
	}
	queues := make(map[partition][][]byte, len(records))
	for at, all := range records {
		for len(all) > 0 {
			batch, n, err := p.encodeSome(at, all)
			if err != nil {
				return nil, err
			}
			queues[at] = append(queues[at], batch)
			p.sequences[at] += int32(n)
			all = all[n:]
		}
	}
	return queues, nil
}

// encodeSome makes a batch of the first records, and returns how many they are. The broker compares its limit with the
// compressed batch, so first more are taken than fit without compression.
func (p *producer) encodeSome(at partition, all []record) (batch []byte, n int, err error) {
	limit := p.limits[at.topic] - batchMargin
	p.encoder.allow(p.windows[at.topic], time.Now().Add(-p.behind))
	for _, room := range []int{min(expectedRatio*limit, eventBatch/2), limit} {
		n = fitting(all, room)
		batch = p.encoder.batch(all[:n], p.id, p.epoch, p.sequences[at])
		if len(batch) <= limit || n == 1 {
			break
		}
	}
	if most := p.limits[at.topic]; len(batch)-4 > most { // without the length in front of it
		return nil, 0, &sink.ClusterError{Err: fmt.Errorf("topic %q: %s takes %d bytes, the topic takes %d", at.topic, all[0].name(),
			len(batch)-4, most), Repair: fmt.Sprintf("raise the topic's %s", maxMessage)}
	}
	return batch, n, nil
}

// fitting returns how many records, at least one, fit into a batch of a size before compression.
func fitting(all []record, room int) int {
	n, size := 0, 0
	for n < len(all) && (n == 0 || size+all[n].size() <= room) {
		size += all[n].size()
		n++
	}
	return n
}

// produceRound sends the first batch of every queue, one request to each leader.
func (p *producer) produceRound(ctx context.Context, queues map[partition][][]byte) error {
	pending := make(map[partition][]byte, len(queues))
	for at, batches := range queues {
		pending[at] = batches[0]
	}
	return p.k.retry(ctx, func() error {
		worst := p.produceOnce(ctx, pending)
		for ; errors.Is(worst, kafka.InvalidTimestamp) && p.behind < mostBehind; worst = p.produceOnce(ctx, pending) {
			p.stampEarlier(queues, pending)
		}
		if worst != nil && isRetriable(worst) && !errors.Is(worst, kafka.ConcurrentTransactions) {
			p.k.transport.CloseIdleConnections() // forces new metadata: a leader may have moved
			if err := p.refresh(ctx); err != nil {
				return err
			}
		}
		return worst
	})
}

const (
	// clockStep is by how much earlier refused batches are stamped at a time.
	clockStep = time.Hour
	// mostBehind is more than a wrong time zone is worth.
	mostBehind = 26 * time.Hour
)

// stampEarlier gives every batch that was not accepted an earlier time. Our clock is ahead of the brokers', and the time of
// a record is a hint; that of its event stays what it is.
func (p *producer) stampEarlier(queues map[partition][][]byte, pending map[partition][]byte) {
	p.behind += clockStep
	for at, batches := range queues {
		_, refused := pending[at]
		for i := range batches {
			if i > 0 || refused {
				batches[i] = earlier(batches[i], clockStep)
			}
		}
		if refused {
			pending[at] = batches[0]
		}
	}
}

// produceOnce sends what is pending, one request to each leader.
func (p *producer) produceOnce(ctx context.Context, pending map[partition][]byte) (worst error) {
	byLeader := make(map[int][]partition)
	for at := range pending {
		byLeader[p.leaders[at]] = append(byLeader[p.leaders[at]], at)
	}
	errs := make(chan error, len(byLeader))
	var done sync.Mutex
	for _, parts := range byLeader {
		go func() { errs <- p.produce(ctx, parts, pending, &done) }()
	}
	for range byLeader {
		if err := <-errs; err != nil && (worst == nil || !isRetriable(err)) {
			worst = err
		}
	}
	return worst
}

// produce sends one request and removes from pending what the broker accepted.
func (p *producer) produce(ctx context.Context, parts []partition, pending map[partition][]byte, done *sync.Mutex) error {
	done.Lock()
	request := p.produceRequest(parts, pending)
	done.Unlock()
	tripCtx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := p.k.send(tripCtx, request)
	done.Lock()
	defer done.Unlock()
	if err != nil {
		p.unanswered = true
		return err
	}
	var worst error
	for _, t := range response.(*produce.Response).Topics {
		for _, part := range t.Partitions {
			// DuplicateSequenceNumber: the broker has this very batch already.
			if code := kafka.Error(part.ErrorCode); code != 0 && code != kafka.DuplicateSequenceNumber {
				worst = fmt.Errorf("topic %q partition %d: %w", t.Topic, part.Partition, code)
				continue
			}
			delete(pending, partition{t.Topic, int(part.Partition)})
		}
	}
	return worst
}
