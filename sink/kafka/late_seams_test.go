package kafka

import (
	"context"
	"errors"
	"math"
	"time"
)

// What a producer does that does not defend itself against requests that come late, for TestLateRequest.

// ForgetUnanswered makes the sink take a request without an answer for one that never comes.
func ForgetUnanswered(k *Sink) { k.producer.unanswered = false }

// AbortAndGoOn makes the sink give its transaction up and go on with the same epoch, where a new run would take the transactional
// id anew. With version 2 of transactions the broker raises the epoch all the same.
func AbortAndGoOn(ctx context.Context, k *Sink) error {
	p := k.producer
	abort := func() error {
		if p.v2 {
			return p.endAndRaise(ctx, false)
		}
		return p.endOnly(ctx, false)
	}
	err := errors.Join(k.retry(ctx, abort), k.retry(ctx, abort)) // the second one succeeds when all markers are written
	clear(p.sequences)                                           // it was the first transaction of its epoch, and nothing of it was written
	clear(p.added)
	k.open, p.unanswered = false, false
	return err
}

// EndedJustNow makes the sink add the partitions of its next transaction by a request, however long that takes to begin.
func EndedJustNow(k *Sink) { k.producer.ended = time.Now().Add(time.Hour) }

// EndedLongAgo makes the sink leave that to the broker.
func EndedLongAgo(k *Sink) { k.producer.ended = time.Time{} }

// Epoch returns the producer id and the epoch that the sink writes with.
func Epoch(k *Sink) (id int64, epoch int16) { return k.producer.id, k.producer.epoch }

// AgreeAnew makes the sink look at once, and not some seconds later, which version of transactions its cluster has.
func AgreeAnew(k *Sink) { k.producer.agreed = time.Time{} }

// AgreedBefore makes the sink believe that it looked for that so long ago.
func AgreedBefore(k *Sink, ago time.Duration) { k.producer.agreed = time.Now().Add(-ago) }

// UseUpEpochs ends empty transactions until one more uses up the epochs of the producer id.
func UseUpEpochs(ctx context.Context, k *Sink) error {
	p := k.producer
	for p.epoch < math.MaxInt16-2 {
		if err := k.retry(ctx, func() error { return p.endAndRaise(ctx, false) }); err != nil {
			return err
		}
	}
	return nil
}
