package schemas

// Raw is a JSON value exactly as Postgres sent it, digits and spelling included; empty means null.
type Raw []byte

// Number is a JSON number with exactly the digits received or derived; empty means null. It is never a binary float.
type Number string

// Instant is an RFC 3339 timestamp in UTC with microseconds; empty means null.
type Instant string

// Text is a string that may be absent; nil means null.
type Text = *string

// Quality says where occurred_at comes from.
type Quality string

// The qualities of an occurred_at.
const (
	Embedded   Quality = "embedded"    // the timestamp inside the structure
	AssumedUTC Quality = "assumed_utc" // the same, written without a zone
	CommitTime Quality = "commit_time" // the transaction's commit: there was no usable embedded timestamp
)

// Flag marks something unusual that a consumer may want to know of an event.
type Flag string

// The flags of contract v1, and raw_truncated, which contract v1.0 did not name.
const (
	NaiveTimestamp     Flag = "naive_timestamp"       // the embedded timestamp has no zone; read as UTC
	FutureTimestamp    Flag = "future_timestamp"      // more than five minutes after the commit
	PriceAbsent        Flag = "price_absent"          // an execution without a price
	PriceZero          Flag = "price_zero"            // an execution at price 0
	SRLevelPriceAbsent Flag = "sr_level_price_absent" // a trim_flag sell without its level
	NoPoolChange       Flag = "no_pool_change"        // a sell whose update leaves the pool as it was
	FieldsDefaulted    Flag = "fields_defaulted"      // a partial pool: missing counters took their defaults
	DXArmMissing       Flag = "dx_arm_missing"        // a recovery step without the price of the next one
	SkippedSteps       Flag = "skipped_steps"         // dx_count moved by more than one
	DoubleEncoded      Flag = "double_encoded"        // features was a JSON string holding JSON
	IneffectiveBook    Flag = "ineffective_book"      // a block under a book the bot never consults
	UnseenValue        Flag = "unseen_value"          // went back to a value never reported
	PoolWithoutSell    Flag = "pool_without_sell"     // the pool grew with a companion that is not a sell
	BaselineIncomplete Flag = "baseline_incomplete"   // the row's state before is not known
	Amended            Flag = "amended"               // an exit that became one in place: its sell had been reported as a trim
	TextTruncated      Flag = "text_truncated"        // a text was too long for an event: its beginning and its digest are in its place
	TokensLeft         Flag = "tokens_left"           // an exit or a close that leaves more than dust
	MaybeLeftover      Flag = "maybe_leftover"        // the same words as before: the bot may not have written them for this one
	RawTruncated       Flag = "raw_truncated"         // a raw value above 256 KiB, 500 levels or 1,000 digits of a number: its digest and head
)

// Op says what made the change.
type Op string

// The operations of an origin.
const (
	OpInsert    Op = "insert"
	OpUpdate    Op = "update"
	OpDelete    Op = "delete"
	OpTruncate  Op = "truncate"
	OpBaseline  Op = "baseline"  // found by the first snapshot
	OpReconcile Op = "reconcile" // found by comparing a later snapshot with what was known
	OpTime      Op = "time"      // nothing changed: time had passed when the transaction committed
)

// Stage is an entry stage that a block can close.
type Stage string

// The stages of a block.
const (
	S1 Stage = "s1"
	S2 Stage = "s2"
)

// Origin names the transaction that made the change.
type Origin struct {
	CommitLSN  string   `json:"commit_lsn"`  // where its commit record starts, e.g. 0/16B3748
	XID        uint32   `json:"xid"`         // its transaction id; 0 for a snapshot
	CommitTime Instant  `json:"commit_time"` // the database's clock at commit
	Op         Op       `json:"op"`          // what made the change
	Actor      Text     `json:"actor"`       // from an annotation in the same transaction
	Reason     Text     `json:"reason"`      // from an annotation in the same transaction
	Session    *Session `json:"session"`     // who was connected, as the server recorded it; null without attribution
}

// Session is the database session that made a change, as the server recorded it. Nobody can say something else of himself.
type Session struct {
	User          string `json:"user"`           // the role that the statement ran as
	SessionUser   string `json:"session_user"`   // the role that logged in
	Application   string `json:"application"`    // application_name
	ClientAddress Text   `json:"client_address"` // null for a local connection
	Claims        Raw    `json:"claims"`         // of the request's token: sub, role, email, client_info; null without one
}

// Position is the entity of an event about a trading position: the row as the change left it.
type Position struct {
	ID            string `json:"id"`             // the row's id, a UUID
	TokenChain    Text   `json:"token_chain"`    // the chain, e.g. solana
	TokenContract Text   `json:"token_contract"` // the token's address on its chain
	TokenTicker   Text   `json:"token_ticker"`   // the token's short name
	Timeframe     Text   `json:"timeframe"`      // length of a bar: 1m, 15m, 1h, 4h, 1d
	BookID        Text   `json:"book_id"`        // the book that the position belongs to
	Status        Text   `json:"status"`         // e.g. watchlist, active, paused; other words may come
	State         Text   `json:"state"`          // engine state, S0 to S4
	TradeID       Text   `json:"trade_id"`       // the open trade, a UUID; null when there is none
}

// Block is the entity of an event about an entry block: its primary key.
type Block struct {
	TokenContract string `json:"token_contract"` // the token's address on its chain
	TokenChain    string `json:"token_chain"`    // the chain, e.g. solana
	Timeframe     string `json:"timeframe"`      // length of a bar: 1m, 15m, 1h, 4h, 1d
	BookID        string `json:"book_id"`        // the book; the bot consults onchain_crypto only
}

// Table is the entity of an event about a whole table.
type Table struct {
	Table string `json:"table"` // the table's name
}

// Stream is the entity of an event about the stream itself.
type Stream struct {
	Slot string `json:"slot"` // the replication slot
}

// PerStage holds a value for each stage, null where it does not apply.
type PerStage[T ~string] struct {
	S1 T `json:"s1"` // for stage s1
	S2 T `json:"s2"` // for stage s2
}

// Entity is one of Position, Block, Table, Stream.
type Entity interface{ entity() }

func (Position) entity() {}
func (Block) entity()    {}
func (Table) entity()    {}
func (Stream) entity()   {}

// Common is what the data of every event has. Before and After are the changed sub-structure exactly as received.
type Common struct {
	Entity            Entity  `json:"entity"`              // what the event is about
	Before            Raw     `json:"before"`              // the changed part before, exactly as received; null when there was none
	After             Raw     `json:"after"`               // the changed part now, exactly as received; null when there is none
	OccurredAt        Instant `json:"occurred_at"`         // when it happened by the writer's clock; order by sequence, never by this
	OccurredAtQuality Quality `json:"occurred_at_quality"` // where occurred_at comes from
	Flags             []Flag  `json:"flags"`               // what is unusual about the event; other words may come
	Origin            Origin  `json:"origin"`              // the transaction that made the change
}

// Data is the data of one event type: a pointer to one of the structs of this package that embed Common.
type Data interface {
	// Type returns the event type.
	Type() Type
	// Head returns the common part, to be filled in.
	Head() *Common
	// AppendJSON appends the data object as JSON, one line.
	AppendJSON(dst []byte) []byte
}

// Head returns the common part of the data.
func (c *Common) Head() *Common { return c }
