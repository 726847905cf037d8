package schemas

// PositionColumns are the watched columns of a position that its entity does not hold.
type PositionColumns struct {
	TotalQuantity        Number  `json:"total_quantity"`
	TotalAllocationUSD   Number  `json:"total_allocation_usd"`
	TotalExtractedUSD    Number  `json:"total_extracted_usd"`
	TotalTokensBought    Number  `json:"total_tokens_bought"`
	TotalTokensSold      Number  `json:"total_tokens_sold"`
	ClosedAt             Instant `json:"closed_at"`
	CloseReason          Text    `json:"close_reason"`
	CreatedAt            Instant `json:"created_at"`
	CompletedTradesCount Number  `json:"completed_trades_count"`
}

// PositionCreated says that a row was inserted.
type PositionCreated struct {
	Common
	PositionColumns
}

// PositionDeleted says that the row is gone; the columns are what was last known.
type PositionDeleted struct {
	Common
	PositionColumns
}

// PositionBaseline says how a position stood when it was first seen. Nothing in it is new.
type PositionBaseline struct {
	Common
	PositionColumns
	History Raw `json:"history"` // pm_execution_history
}

// PositionStatusChanged says that the status column changed.
type PositionStatusChanged struct {
	Common
	From Text `json:"from"`
	To   Text `json:"to"`
}

// TradeOpened says that a position began a trade.
type TradeOpened struct {
	Common
	TradeID string `json:"trade_id"`
}

// TradeClosed says that a position ended its trade.
type TradeClosed struct {
	Common
	TradeID        string  `json:"trade_id"`
	CloseReason    Text    `json:"close_reason"`
	ClosedAt       Instant `json:"closed_at"`
	CompletedTrade Raw     `json:"completed_trade"` // last element of completed_trades when it grew
}

// StreamGap says that changes between two places in the WAL were never seen.
type StreamGap struct {
	Common
	FromLSN  string  `json:"from_lsn"`
	ToLSN    string  `json:"to_lsn"`
	FromTime Instant `json:"from_time"`
	ToTime   Instant `json:"to_time"`
	Why      string  `json:"why"`
}

// StreamReconciled closes a reconcile: every row was compared, the stream goes on from here.
type StreamReconciled struct {
	Common
	Rows        uint64 `json:"rows"`        // rows compared
	Differences uint64 `json:"differences"` // events the comparison gave
}

// TableTruncated says that a table was emptied; a deleted event for each known row follows.
type TableTruncated struct {
	Common
	Table string `json:"table"`
	Rows  uint64 `json:"rows"` // rows known
}

// TableMissing says that a watched table cannot be seen any more.
type TableMissing struct {
	Common
	Table string `json:"table"`
	Why   string `json:"why"`
}

// TablePresent says that a watched table is back.
type TablePresent struct {
	Common
	Table string `json:"table"`
	Why   string `json:"why"`
}
