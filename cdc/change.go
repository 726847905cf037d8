package cdc

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

const (
	maxRaw    = 256 << 10 // bytes of a raw value that an event carries whole
	maxLevels = 500       // levels of one; a consumer's parser may refuse the whole event from 1,000 on
	rawHead   = 1 << 10   // bytes of a value beyond either that it still shows
	// futureAfter is how long after the commit an embedded timestamp may be before it is not believed.
	futureAfter = decode.Micros(5 * 60 * 1000000)
)

// change is one row change on its way to become events: what its events have in common.
type change struct {
	*emitter
	op      schemas.Op
	entity  schemas.Entity
	subject string
	key     string // Kafka key
	flags   []schemas.Flag
	event   uint32 // ordinal of the next event
	marks   []schemas.Flag
	// severity is that of the next event, where its data decide; empty: the usual one of its type.
	severity schemas.Severity
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

// bound returns a raw value as an event may carry it. One that is too large for a message, or too much for a consumer's
// parser, is replaced by its digest and its beginning; the row in the database still has it.
func (c *change) bound(raw []byte) schemas.Raw {
	if len(raw) <= maxRaw && !jsonb.Exceeds(raw, maxLevels, jsonb.MaxDigits) {
		return raw
	}
	for _, f := range c.marks {
		if f == schemas.RawTruncated {
			return truncated(raw)
		}
	}
	c.mark(true, schemas.RawTruncated)
	return truncated(raw)
}

func truncated(raw []byte) schemas.Raw {
	sum := sha256.Sum256(raw)
	short, err := json.Marshal(struct {
		Bytes  int    `json:"truncated_bytes"`
		SHA256 string `json:"sha256"`
		Head   string `json:"head"`
	}{len(raw), hex.EncodeToString(sum[:]), string(raw[:min(rawHead, len(raw))])})
	if err != nil {
		return nil // two strings and a number always marshal
	}
	return short
}

// emit completes an event and puts it into the batch. It returns the event's place.
func (c *change) emit(data schemas.Data, before, after []byte, when occurrence) place {
	head, at := data.Head(), c.place()
	head.Entity = c.entity
	head.Before, head.After = c.bound(before), c.bound(after)
	head.Flags = append(append(c.occurred(head, when), c.marks...), c.flags...)
	tx := &c.tx
	head.Origin = schemas.Origin{CommitLSN: tx.lsn, XID: tx.XID, CommitTime: tx.time, Op: c.op, Actor: tx.actor, Reason: tx.reason}
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
