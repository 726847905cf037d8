package schemas

// PositionColumns are the watched columns of a position that its entity does not hold.
type PositionColumns struct {
	TotalQuantity        Number  `json:"total_quantity"`         // tokens held
	TotalAllocationUSD   Number  `json:"total_allocation_usd"`   // USD put in
	TotalExtractedUSD    Number  `json:"total_extracted_usd"`    // USD taken out
	TotalTokensBought    Number  `json:"total_tokens_bought"`    // tokens
	TotalTokensSold      Number  `json:"total_tokens_sold"`      // tokens
	ClosedAt             Instant `json:"closed_at"`              // when the last trade was closed
	CloseReason          Text    `json:"close_reason"`           // the writer's own word for why
	CreatedAt            Instant `json:"created_at"`             // the row's own timestamp
	CompletedTradesCount Number  `json:"completed_trades_count"` // trades that were closed
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
	From Text `json:"from"` // the status before; null when it was not known
	To   Text `json:"to"`   // the status now
}

// TradeOpened says that a position began a trade.
type TradeOpened struct {
	Common
	TradeID string `json:"trade_id"` // the trade, a UUID
}

// TradeClosed says that a position ended its trade.
type TradeClosed struct {
	Common
	TradeID        string  `json:"trade_id"`        // the trade, a UUID
	CloseReason    Text    `json:"close_reason"`    // the writer's own word for why
	ClosedAt       Instant `json:"closed_at"`       // the row's own timestamp
	CompletedTrade Raw     `json:"completed_trade"` // last element of completed_trades when it grew
}

// StreamGap says that changes between two places in the WAL were never seen.
type StreamGap struct {
	Common
	FromLSN  string  `json:"from_lsn"`  // where the known stream ended
	ToLSN    string  `json:"to_lsn"`    // the consistent point of the snapshot that takes over
	FromTime Instant `json:"from_time"` // commit time of the last transaction seen before; null when there was none
	ToTime   Instant `json:"to_time"`   // the database's clock at the snapshot
	Why      string  `json:"why"`       // what was lost, for a person
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
	Table string `json:"table"` // the table's name
	Rows  uint64 `json:"rows"`  // rows known
}

// TableMissing says that a watched table cannot be seen any more.
type TableMissing struct {
	Common
	Table string `json:"table"` // the table's name
	Why   string `json:"why"`   // what happened, for a person
}

// TablePresent says that a watched table is back.
type TablePresent struct {
	Common
	Table string `json:"table"` // the table's name
	Why   string `json:"why"`   // what happened, for a person
}
