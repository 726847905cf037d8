// Package decode turns pgoutput messages (proto_version 1) into typed changes of the two watched tables.
//
// It does no I/O and keeps no copy: every message, and every byte slice in it, is valid until the next call of
// Decoder.Decode. The message formats are those of the PostgreSQL manual, "Logical Replication Message Formats".
package decode

import "time"

// Micros is an instant in microseconds since the Unix epoch, the resolution of a Postgres timestamptz.
type Micros int64

// UTC returns the instant as a time in UTC.
func (m Micros) UTC() time.Time { return time.UnixMicro(int64(m)).UTC() }

// Message is one of *Begin, *Commit, *BlockChange, *PositionChange, *Truncate, *TableGone, *Annotation, *Session, *Progress.
type Message interface{ message() }

// Begin opens a transaction. A snapshot is delivered as a transaction too: its CommitLSN is the slot's consistent
// point, its CommitTime the snapshot's, its XID 0, and each of its changes an insert.
type Begin struct {
	CommitLSN  LSN // where the commit record starts: the transaction's identity
	CommitTime Micros
	XID        uint32
	Snapshot   bool
	// Tables and Publication describe a snapshot: the tables whose rows it holds, and a number that is another one when the
	// publication was altered or made anew.
	Tables      TableIDs
	Publication uint32
	Rows        uint64 // of a snapshot: how many it holds
}

// Commit closes a transaction. EndLSN is where the commit record ends and the only place to resume from.
type Commit struct {
	CommitLSN LSN
	EndLSN    LSN
}

// Progress says that the server has sent everything committed before LSN, and what its clock showed then.
// It never occurs inside a transaction.
type Progress struct {
	LSN  LSN
	Time Micros
}

// Op is what a statement did to a row.
type Op uint8

// The operations of a row change.
const (
	Insert Op = iota + 1
	Update
	Delete
)

// BlockChange is a change of one row of token_timeframe_blocks. On a delete Old holds at least the key and New is
// empty; on an update HasOld is set when the key changed or the table has REPLICA IDENTITY FULL.
type BlockChange struct {
	Op     Op
	HasOld bool
	Old    BlockRow
	New    BlockRow
}

// PositionChange is a change of one row of lowcap_positions; Old and New are as in BlockChange.
type PositionChange struct {
	Op     Op
	HasOld bool
	Old    PositionRow
	New    PositionRow
}

// Table names one of the two watched tables.
type Table uint8

// The watched tables.
const (
	Blocks Table = iota + 1
	Positions
)

// Tables are the watched tables, in the order in which a snapshot delivers them.
var Tables = [...]Table{Blocks, Positions}

// String returns the table's name in the database.
func (t Table) String() string {
	switch t {
	case Blocks:
		return "token_timeframe_blocks"
	case Positions:
		return "lowcap_positions"
	}
	return "unknown table"
}

// TableID tells a table from another one of the same name. A table that was dropped and created again has another OID,
// one that was taken out of the publication and put back another Member. The zero value is no table.
type TableID struct {
	OID    uint32 // of pg_class
	Member uint32 // OID of pg_publication_rel; 0 in a publication for all tables; of a partitioned table, with its partitions
}

// TableIDs holds the identity of each watched table; its index is a Table.
type TableIDs [Positions + 1]TableID

// Truncate names the watched tables that one TRUNCATE emptied, in the order of the message.
type Truncate struct{ Tables []Table }

// TableGone says that a watched table left the stream. It is what the sidecar itself writes into the WAL when it sees
// that in the catalog, so that every reader of the WAL learns of it at the same place.
type TableGone struct {
	Table Table
	ID    TableID // of the table that left
	Why   string
	Since Progress // the last place at which the table was known to be in the stream
	// Digest is of the message that says this, by which the catalog confirms it.
	Digest string
}

// Annotation is the content of pg_logical_emit_message(true, 'lowcap-cdc', content), written by someone who wants
// the events of the surrounding transaction to say who did it and why.
type Annotation struct{ Content []byte }

// Session is what the trigger of the attribution says of who makes the changes of the surrounding transaction, from here on.
// Everybody can write such a message: it counts only when MAC is the code of Signed.
type Session struct {
	Version int    // the form of the message, 1 or 2; with a newer one, or 0 for none, the rest is empty
	MAC     []byte // of version 1 in hexadecimal
	Signed  []byte // the end of it is Content
	Content []byte // JSON: an object, or of version 2 an array
}

func (*Begin) message()          {}
func (*Commit) message()         {}
func (*Progress) message()       {}
func (*BlockChange) message()    {}
func (*PositionChange) message() {}
func (*Truncate) message()       {}
func (*TableGone) message()      {}
func (*Annotation) message()     {}
func (*Session) message()        {}
