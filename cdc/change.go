package cdc

import (
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// futureAfter is how long after the commit an embedded timestamp may be before it is not believed.
const futureAfter = decode.Micros(5 * 60 * 1000000)

// change is one row change on its way to become events: what its events have in common.
type change struct {
	*emitter
	op      schemas.Op
	entity  schemas.Entity
	row     string // the row's key in the state
	subject string
	key     string // Kafka key
	flags   []schemas.Flag
	event   uint32 // ordinal of the next event
	marks   []schemas.Flag
	// severity is that of the next event, where its data decide; empty: the usual one of its type.
	severity schemas.Severity
	raws     int // bytes of raw values that its events carry
}

// occurrence is when a thing happened by its own account.
type occurrence struct {
	at       decode.Micros
	embedded bool
	naive    bool
}

// atCommit is the occurrence of what has no timestamp of its own.
var atCommit = occurrence{}

func (c *change) place() place { return c.placeOf(c.event) }

// mark adds a flag to the next event.
func (c *change) mark(when bool, f schemas.Flag) {
	if when {
		c.marks = append(c.marks, f)
	}
}

// emit completes an event and puts it into the batch. It returns the event's place.
func (c *change) emit(data schemas.Data, before, after []byte, when occurrence) place {
	head, at := data.Head(), c.place()
	head.Entity = c.entity
	head.Before, head.After = c.bound(before), c.bound(after)
	tx := &c.tx
	if tx.shortened {
		c.markOnce(schemas.TextTruncated)
	}
	head.Flags = append(append(c.occurred(head, when), c.marks...), c.flags...)
	head.Origin = schemas.Origin{CommitLSN: tx.lsn, XID: tx.XID, CommitTime: tx.time, Op: c.op,
		Actor: tx.actor, Reason: tx.reason, Session: tx.by()}
	c.emitter.emit(at, c.subject, c.key, c.severity, data)
	c.marks, c.severity = c.marks[:0], ""
	c.event++
	return at
}

// occurred fills in when it happened and returns the flags that this gives.
func (c *change) occurred(head *schemas.Common, when occurrence) []schemas.Flag {
	flags := []schemas.Flag{}
	if when.naive {
		flags = append(flags, schemas.NaiveTimestamp)
	}
	head.OccurredAt, head.OccurredAtQuality = c.strings.instant(when.at), schemas.Embedded
	switch {
	case !when.embedded:
		head.OccurredAt, head.OccurredAtQuality = c.tx.time, schemas.CommitTime
	case c.isFuture(when.at):
		flags = append(flags, schemas.FutureTimestamp)
		head.OccurredAt, head.OccurredAtQuality = c.tx.time, schemas.CommitTime
	case when.naive:
		head.OccurredAtQuality = schemas.AssumedUTC
	}
	return flags
}
