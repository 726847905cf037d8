package cdc

import (
	"context"
	"net/url"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// Identity names the database that a stream comes from. A system identifier is unique to a cluster and its standbys;
// a timeline changes with every promotion and every restore.
type Identity struct {
	SystemID string
	Timeline int32
	Database string
	Schema   string // of the two tables
}

// Source returns the CloudEvents source of the database's events.
func (i Identity) Source() string {
	return "/postgres/" + i.SystemID + "/" + url.PathEscape(i.Database)
}

// Source delivers the changes of the two tables in WAL order.
//
// The pipeline calls Start once and the rest from one goroutine. After an error from any method only Close may be
// called.
type Source interface {
	// Free returns an error while another instance reads from the slot. It comes before Sink.Resume, which would fence
	// that instance.
	Free(ctx context.Context) error
	// Start positions the source. Without Start.Resume it creates the slot and delivers a snapshot first, as one
	// transaction (decode.Begin with Snapshot set), then the stream from the snapshot's consistent point on. With it, it
	// streams every transaction whose commit record starts there or later. When a watched table leaves the stream it
	// delivers a decode.TableGone. When the table is back it delivers a snapshot of that table, between two transactions
	// of the stream, as the table was at that place.
	//
	// With Start.Adopt the server may be another than that of the history. It streams then from a slot that came along, and
	// delivers, ahead of it, a snapshot of all tables; without one it begins with a snapshot.
	Start(ctx context.Context, start Start) (Started, error)
	// Next waits for the server's next message and returns what it says, nil when it is of no interest: the caller then
	// decides anew whether to wait. A message is valid until the following call.
	Next(ctx context.Context) (decode.Message, error)
	// Buffered reports whether Next would return a message without waiting for the server.
	Buffered() bool
	// Await says from when on, by the database's clock, something is due; 0 says that nothing waits. Only the commit of a
	// transaction tells what time it is, so while something waits the source writes ticks into the WAL: transactional,
	// empty messages with decode.TickPrefix, one in ten seconds by its own clock. It does not wait.
	Await(due decode.Micros)
	// Confirm tells the server that everything committed before lsn is durable in the sink. It does not wait.
	Confirm(lsn decode.LSN)
	// Close ends the connection and waits for everything that was started. It is idempotent.
	Close() error
}

// Start says where a Source begins.
type Start struct {
	Resume decode.LSN // 0: with a snapshot
	// Known is what the sink holds; zero when it holds nothing. A source that is of another system says so with an error.
	Known Checkpoint
	// Owned says that an earlier run has claimed the slot for this sink. A slot that exists and is not owned is an error.
	Owned bool
	// Held returns an error when another writer has taken the sink over since Resume: what Owned says may be old then.
	Held func(context.Context) error
	// Claim makes durable that the slot belongs to this sink. The source calls it before it creates the slot.
	Claim func(context.Context, Started) error
	// Repair has a source that finds changes lost to the stream after Resume begin with a snapshot, as without Resume. It looks for
	// itself: an earlier look may have been at an old state, from which another writer has moved on.
	Repair bool
	// Adopt lets the history go on from another server. Known.Adoption does the same for the server that it names.
	Adopt bool
	// Extend is told how far the WAL reaches with what the source itself had to write into it before it began to stream, and
	// up to where a table that is back, or all of another server, is read. A run that ends at a place continues up to there: neither a
	// table that was dropped nor one that is back must be passed over.
	Extend func(decode.LSN)
}

// Sink makes events, state and nothing else durable, together or not at all.
//
// The pipeline calls its methods from one goroutine at a time. After an error only Close may be called; whether the failed
// batch became durable is unknown, and the next Resume tells.
type Sink interface {
	// Resume fences every older writer of the same state, discards what it left uncommitted, and hands every committed
	// state record to load; of several records with one key the last one counts, a nil value removes the key.
	// load must not keep value.
	Resume(ctx context.Context, load func(key string, value []byte) error) error
	// Commit makes the batch durable. With Batch.More set it only takes the batch in: that batch and the following
	// ones become durable with the first one that has More unset, or not at all.
	// The batch is the caller's again when Commit returns.
	Commit(ctx context.Context, batch *Batch) error
	// Close releases what the sink holds. It commits nothing and is idempotent.
	Close() error
}

// Batch is what one commit makes durable: events in sequence order, and the state records they changed.
type Batch struct {
	Events []Event
	State  []StateRecord
	More   bool
	Rows   Rows // of the snapshot that it is a part of
}

// Rows says how far a snapshot is: how many of its rows were read, and how many it holds.
type Rows struct{ Read, Of uint64 }

// Event is one CloudEvent, ready to be written.
type Event struct {
	schemas.Attributes
	Value []byte // the whole event as structured JSON (application/cloudevents+json), one line without line end
}

// Place returns the event's commit LSN as the 16 digits its sequence begins with, and whether the stream brought it
// rather than a snapshot.
func (e *Event) Place() (lsn string, streamed bool) { return e.Sequence[:16], e.Sequence[16] == '1' }

// StateRecord is one key of the state and its new value; a nil Value removes the key.
// Keys and values are opaque to a sink; a key may hold any byte.
type StateRecord struct {
	Key   string
	Value []byte
}
