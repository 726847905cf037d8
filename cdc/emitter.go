package cdc

import (
	"cmp"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// emitter is what a change needs to become events, and all that it can reach: the transaction that it is part of, and
// the batch. What is known of the rows is not in it, so that a detector cannot read or change another row's image.
type emitter struct {
	source  string     // the CloudEvents source
	eras    []Era      // of the history
	base    decode.LSN // of the last one
	tx      transaction
	owed    func() // what is to be told before the next event, if there is one; nil for nothing
	out     *outbox
	strings stringMaker
	scratch []byte
}

// transaction is the Postgres transaction that is being read.
type transaction struct {
	decode.Begin
	change        uint32 // ordinal of the next row change
	events        uint32 // events done of a TRUNCATE that is not finished
	truncating    []emptied
	skip          Cut // what of it is in the sink already
	actor, reason schemas.Text
	shortened     bool             // one of the two
	who           []byte           // what the server records of who makes it; empty where it records nothing
	session       *schemas.Session // the same, read when the first event asks for it
	time          schemas.Instant
	lsn           string
}

// placeOf returns the place of an event of the change that is being read, by its ordinal in that change.
func (e *emitter) placeOf(event uint32) place {
	return place{e.base + e.tx.CommitLSN, !e.tx.Snapshot, e.tx.change, event}
}

// idOf and sequenceOf return the attributes of the event at a place.
func (e *emitter) idOf(at place) string {
	var room [96]byte
	return e.strings.keep(at.appendID(room[:0], eraOf(e.eras, at.lsn)))
}

func (e *emitter) sequenceOf(at place) string {
	var room [40]byte
	return e.strings.keep(at.appendSequence(room[:0]))
}

// joined returns texts with a slash between each two, as subjects and Kafka keys have it.
func (e *emitter) joined(parts ...[]byte) string {
	e.scratch = e.scratch[:0]
	for i, part := range parts {
		if i > 0 {
			e.scratch = append(e.scratch, '/')
		}
		e.scratch = append(e.scratch, part...)
	}
	return e.strings.keep(e.scratch)
}

// emit puts an event into the batch. An empty severity is the usual one of its type.
func (e *emitter) emit(at place, subject, key string, severity schemas.Severity, data schemas.Data) {
	if e.owed != nil {
		e.owed()
	}
	t := data.Type()
	e.out.add(schemas.Attributes{
		ID:           e.idOf(at),
		Source:       e.source,
		Type:         t,
		Subject:      subject,
		Time:         string(e.tx.time),
		PartitionKey: key,
		Sequence:     e.sequenceOf(at),
		Severity:     cmp.Or(severity, schemas.SeverityOf(t)),
	}, data)
}
