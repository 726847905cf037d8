package kafka

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

const (
	// agreeEvery is how often a producer looks which version of transactions its cluster has switched on. An upgrade ends with that,
	// and ends no connection.
	agreeEvery = 10 * time.Second
	// agreedFor is when it looks before a transaction, whose events then wait for the answer. It is more than the time between two
	// commits of an idle stream, behind which it looks.
	agreedFor = 3 * agreeEvery
	// aheadWithin is how long a look behind a transaction may take.
	aheadWithin = time.Second
)

// agree finds out which version of transactions the next one will use. With version 2 (KIP-890) a Produce request can put its
// partitions into the transaction itself, and each end of a transaction raises the epoch, so that nothing of it can come late.
func (p *producer) agree(ctx context.Context) error {
	if time.Since(p.agreed) < agreedFor {
		return nil
	}
	if err := p.k.retry(ctx, func() error { return p.look(ctx, requestTimeout) }); err != nil {
		return fmt.Errorf("ask for the version of transactions: %w", err)
	}
	return nil
}

// agreeAhead does the same behind a transaction, so that no event waits for it. Where it fails, the next transaction looks in time.
func (p *producer) agreeAhead(ctx context.Context) {
	if time.Since(p.agreed) >= agreeEvery {
		p.look(ctx, aheadWithin) //nolint:errcheck // the last answer holds for a while
	}
}

// look asks a broker for the version of transactions.
func (p *producer) look(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	response, err := p.k.transport.RoundTrip(ctx, p.k.client.Addr, &featuresRequest{})
	if err != nil {
		return err
	}
	features := response.(*featuresResponse)
	if code := kafka.Error(features.code); code != 0 && code != kafka.UnsupportedVersion {
		return code
	}
	p.v2 = features.transactions >= 2 && features.newest[protocol.Produce] >= 12 && features.newest[protocol.EndTxn] >= 5
	p.agreed = time.Now()
	return nil
}

// completes is how long the markers of a transaction may take that was committed. It is a few milliseconds on an idle broker.
const completes = 50 * time.Millisecond

// addsAtOnce reports whether a broker that gets records will add their partitions to a transaction of version 2 without a wait. While
// the markers of the transaction before are being written, or another broker adds partitions of its own, the coordinator refuses, and
// a broker tries again after 20 ms only (add.partitions.to.txn.retry.backoff.ms). Then it is faster to add them by a request,
// which is sent again after one millisecond.
func (p *producer) addsAtOnce(records map[partition][]record) bool {
	if time.Since(p.ended) < completes {
		return false
	}
	leader, first := 0, true
	for at := range records {
		if !first && p.leaders[at] != leader {
			return false
		}
		leader, first = p.leaders[at], false
	}
	return true
}

// produceRequest makes a request to the leader of some partitions.
func (p *producer) produceRequest(parts []partition, pending map[partition][]byte) protocol.Message {
	slices.SortFunc(parts, func(a, b partition) int { return cmp.Or(strings.Compare(a.topic, b.topic), a.id-b.id) })
	if p.v2 {
		request := &produceRequest{transaction: p.name, timeout: requestTimeout, leader: p.leaders[parts[0]]}
		for _, at := range parts {
			request.batches = append(request.batches, partitionBatch{at, pending[at]})
		}
		return request
	}
	request := &rawproduce.Request{TransactionalID: p.name, Acks: -1, Timeout: int32(requestTimeout.Milliseconds())}
	for _, at := range parts {
		if last := len(request.Topics) - 1; last < 0 || request.Topics[last].Topic != at.topic {
			request.Topics = append(request.Topics, rawproduce.RequestTopic{Topic: at.topic})
		}
		topic := &request.Topics[len(request.Topics)-1]
		// A fresh reader for every attempt: a used one would send an empty set.
		topic.Partitions = append(topic.Partitions, rawproduce.RequestPartition{Partition: int32(at.id),
			RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(pending[at])}})
	}
	return request
}

// end commits the transaction.
func (p *producer) end(ctx context.Context) error {
	err := p.k.retry(ctx, func() error {
		if p.v2 {
			return p.endAndRaise(ctx, true)
		}
		return p.endOnly(ctx, true)
	})
	clear(p.added)
	p.ended = time.Now()
	return err
}

// endOnly ends a transaction of version 1. The epoch stays.
func (p *producer) endOnly(ctx context.Context, commit bool) error {
	request := &endtxn.Request{TransactionalID: p.name, ProducerID: p.id, ProducerEpoch: p.epoch, Committed: commit}
	return p.coordinate(ctx, request, func(response protocol.Message) error { return refusal(response.(*endtxn.Response).ErrorCode) })
}

// endAndRaise ends a transaction of version 2. Sent again after a lost answer, the coordinator knows it by its epoch and gives the
// same answer once more. In the new epoch the sequence numbers begin anew, and no older request counts.
func (p *producer) endAndRaise(ctx context.Context, commit bool) error {
	var r *endResponse
	err := p.coordinate(ctx, &endRequest{transaction: p.name, id: p.id, epoch: p.epoch, commit: commit}, func(response protocol.Message) error {
		r = response.(*endResponse)
		return refusal(r.code)
	})
	if err != nil {
		return err
	}
	if r.id < 0 || r.epoch < 0 || r.id == p.id && r.epoch <= p.epoch {
		return fmt.Errorf("the end of the transaction of producer %d in epoch %d is answered with producer %d, epoch %d",
			p.id, p.epoch, r.id, r.epoch)
	}
	p.id, p.epoch, p.unanswered = r.id, r.epoch, false
	clear(p.sequences)
	return nil
}

// coordinate sends a request to the broker that coordinates our transactions. refused returns the error that an answer holds.
func (p *producer) coordinate(ctx context.Context, request protocol.Message, refused func(protocol.Message) error) error {
	if err := p.findCoordinator(ctx); err != nil {
		return err
	}
	response, err := p.roundTrip(ctx, &coordinated{Message: request, coordinator: p.coordinator})
	if err == nil {
		err = refused(response)
	}
	if err != nil && !errors.Is(err, kafka.ConcurrentTransactions) {
		p.coordinator = -1 // it may have moved
	}
	return err
}

// refusal returns the error of an answer; 0 is none.
func refusal(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}

// findCoordinator finds the broker that coordinates our transactions, unless it is known. The library would ask before each request.
func (p *producer) findCoordinator(ctx context.Context) error {
	if p.coordinator >= 0 {
		return nil
	}
	response, err := p.k.client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: p.name,
		KeyType: kafka.CoordinatorKeyTypeTransaction})
	if err == nil {
		err = response.Error
	}
	if err == nil {
		p.coordinator = response.Coordinator.NodeID
	}
	return err
}
