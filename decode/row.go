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
	FeaturesColumn
	positionColumns
)

// PositionRow holds the watched columns of a row of lowcap_positions.
type PositionRow [positionColumns]Value

// column is a watched column: its name in the database, and whether the sidecar can work without it.
type column struct {
	name     string
	required bool
}

var blockColumnNames = [blockColumns]column{
	BlockContract: {"token_contract", true}, BlockChain: {"token_chain", true},
	BlockTimeframe: {"timeframe", true}, BlockBook: {"book_id", true},
	BlockedS1: {"blocked_s1", true}, BlockedS2: {"blocked_s2", true},
	LastS1Failure: {"last_s1_failure_ts", true}, LastS2Failure: {"last_s2_failure_ts", true},
	LastSuccess: {"last_success_ts", true},
}

var positionColumnNames = [positionColumns]column{
	PositionID: {"id", true}, TokenChain: {"token_chain", true}, TokenContract: {"token_contract", true},
	TokenTicker: {"token_ticker", false}, Timeframe: {"timeframe", true}, BookID: {"book_id", false},
	Status: {"status", true}, State: {"state", true}, CurrentTradeID: {"current_trade_id", true},
	TotalQuantity: {"total_quantity", false}, TotalAllocationUSD: {"total_allocation_usd", false},
	TotalExtractedUSD: {"total_extracted_usd", false}, TotalTokensBought: {"total_tokens_bought", false},
	TotalTokensSold: {"total_tokens_sold", false}, ClosedAt: {"closed_at", false},
	CloseReason: {"close_reason", false}, CreatedAt: {"created_at", false}, UpdatedAt: {"updated_at", false},
	CompletedTrades: {"completed_trades", false}, FeaturesColumn: {"features", true},
}

// Columns returns the names of a table's watched columns, in the order of the rows, and whether each is required.
func Columns(t Table) (names []string, required []bool) {
	columns := positionColumnNames[:]
	if t == Blocks {
		columns = blockColumnNames[:]
	}
	for _, c := range columns {
		names, required = append(names, c.name), append(required, c.required)
	}
	return names, required
}
