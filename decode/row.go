package decode

// Kind tells the four facts that a column of a row can be.
type Kind uint8

// The kinds of a Value. Unknown is never null: a missing column, NULL, and a TOASTed value that the update did not
// touch are three different things.
const (
	Missing   Kind = iota // the table has no such column
	Null                  // SQL NULL
	Unchanged             // stored out of line and not touched by this update, so not sent
	Text                  // a value, in Postgres' text format
)

// Value is one column of a row. Text is borrowed: it is valid until the next message is decoded.
type Value struct {
	Kind Kind
	Text []byte
}

// IsText reports whether the row carries a value here.
func (v Value) IsText() bool { return v.Kind == Text }

// The watched columns of token_timeframe_blocks, the index into a BlockRow.
const (
	BlockContract = iota
	BlockChain
	BlockTimeframe
	BlockBook
	BlockedS1
	BlockedS2
	LastS1Failure
	LastS2Failure
	LastSuccess
	blockColumns
)

// BlockRow holds the watched columns of a row of token_timeframe_blocks.
type BlockRow [blockColumns]Value

// The watched columns of lowcap_positions, the index into a PositionRow.
const (
	PositionID = iota
	TokenChain
	TokenContract
	TokenTicker
	Timeframe
	BookID
	Status
	State
	CurrentTradeID
	TotalQuantity
	TotalAllocationUSD
	TotalExtractedUSD
	TotalTokensBought
	TotalTokensSold
	ClosedAt
	CloseReason
	CreatedAt
	UpdatedAt
	CompletedTrades
	EntryEvent
	FeaturesColumn
	positionColumns
)

// PositionRow holds the watched columns of a row of lowcap_positions.
type PositionRow [positionColumns]Value

// The types that the sidecar reads more out of than text (pg_type.dat).
const (
	boolOID        = 16
	timestamptzOID = 1184
	jsonbOID       = 3802
)

// column is a watched column: its name in the database, whether the sidecar can work without it, whether it is of the
// primary key, and its type where that matters.
type column struct {
	name     string
	required bool
	key      bool
	oid      uint32
}

var blockColumnNames = [blockColumns]column{
	BlockContract: {name: "token_contract", required: true, key: true}, BlockChain: {name: "token_chain", required: true, key: true},
	BlockTimeframe: {name: "timeframe", required: true, key: true}, BlockBook: {name: "book_id", required: true, key: true},
	BlockedS1: {name: "blocked_s1", required: true, oid: boolOID}, BlockedS2: {name: "blocked_s2", required: true, oid: boolOID},
	LastS1Failure: {name: "last_s1_failure_ts", required: true, oid: timestamptzOID},
	LastS2Failure: {name: "last_s2_failure_ts", required: true, oid: timestamptzOID},
	LastSuccess:   {name: "last_success_ts", required: true, oid: timestamptzOID},
}

var positionColumnNames = [positionColumns]column{
	PositionID: {name: "id", required: true, key: true}, TokenChain: {name: "token_chain", required: true},
	TokenContract: {name: "token_contract", required: true}, TokenTicker: {name: "token_ticker"},
	Timeframe: {name: "timeframe", required: true}, BookID: {name: "book_id"},
	Status: {
		name:     "status",
		required: true,
	}, State: {name: "state", required: true}, CurrentTradeID: {name: "current_trade_id", required: true},
	TotalQuantity: {name: "total_quantity"}, TotalAllocationUSD: {name: "total_allocation_usd"},
	TotalExtractedUSD: {name: "total_extracted_usd"}, TotalTokensBought: {name: "total_tokens_bought"},
	TotalTokensSold: {name: "total_tokens_sold"}, ClosedAt: {name: "closed_at"},
	CloseReason: {name: "close_reason"}, CreatedAt: {name: "created_at"}, UpdatedAt: {name: "updated_at"},
	CompletedTrades: {name: "completed_trades", oid: jsonbOID}, EntryEvent: {name: "entry_event"},
	FeaturesColumn: {name: "features", required: true, oid: jsonbOID},
}

func columnsOf(t Table) []column {
	if t == Blocks {
		return blockColumnNames[:]
	}
	return positionColumnNames[:]
}

// Columns returns the names of a table's watched columns, in the order of the rows, and whether each is required.
func Columns(t Table) (names []string, required []bool) {
	for _, c := range columnsOf(t) {
		names, required = append(names, c.name), append(required, c.required)
	}
	return names, required
}

// IsWatched reports whether a column of a table is read.
func IsWatched(t Table, name string) bool {
	for _, c := range columnsOf(t) {
		if c.name == name {
			return true
		}
	}
	return false
}
