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
//
// Why: A row was inserted. One with a history has a baseline beside it.
//
// Do: Begin to follow the position.
//
// Hidden: Tools delete and insert rows with a new id: an insert with a history is not new executions.
//
//lowcap:event position.created positions info
type PositionCreated struct {
	Common
	PositionColumns
}

// PositionDeleted says that the row is gone; the columns are what was last known.
//
// Why: The row is gone, or got another key.
//
// Do: Close what is open; the columns are what was last known.
//
// Hidden: The database says only the key.
//
//lowcap:event position.deleted positions info
type PositionDeleted struct {
	Common
	PositionColumns
}

// PositionBaseline says how a position stood when it was first seen. Nothing in it is new.
//
// Why: First sight of a position: snapshot, or inserted with a history.
//
// Do: Take it as the starting state. Nothing in it is new.
//
// Hidden: Old executions would otherwise look new after every restart of a consumer.
//
//lowcap:event position.baseline positions info
type PositionBaseline struct {
	Common
	PositionColumns
	History Raw `json:"history"` // pm_execution_history
}

// PositionStatusChanged says that the status column changed.
//
// Why: The status column changed.
//
// Do: Take `to` as an open word: new ones may come.
//
// Hidden: Thousands of other updates of the row say nothing and give no event.
//
//lowcap:event position.status_changed positions info
type PositionStatusChanged struct {
	Common
	From Text `json:"from"` // the status before; null when it was not known
	To   Text `json:"to"`   // the status now
	// of a change to shadow: the entry that was not made, from the column or from features.shadow_entry_data; null otherwise
	EntryEvent Text `json:"entry_event"`
	// of a change to shadow: what kept the bot from it, as features.shadow_entry_data has it; null otherwise
	BlockedBy Raw `json:"blocked_by"`
}

// TradeOpened says that a position began a trade.
//
// Why: The position began a trade.
//
// Do: Open the trade.
//
// Hidden: The pool may still hold the trade before's money.
//
//lowcap:event trade.opened positions info
type TradeOpened struct {
	Common
	TradeID string `json:"trade_id"` // the trade, a UUID
}

// TradeClosed says that a position ended its trade.
//
// Why: The position ended its trade.
//
// Do: Close the trade; `completed_trade` is what the bot computed.
//
// Hidden: Neither pool nor executions are reset then.
//
//lowcap:event trade.closed positions info
type TradeClosed struct {
	Common
	TradeID        string  `json:"trade_id"`        // the trade, a UUID
	CloseReason    Text    `json:"close_reason"`    // the writer's own word for why
	ClosedAt       Instant `json:"closed_at"`       // the row's own timestamp
	CompletedTrade Raw     `json:"completed_trade"` // last element of completed_trades when it grew
	// tokens that were still held: what emergency_exit.abandoned tells, else 0
	RemainingQuantity Number `json:"remaining_quantity"`
	PnLUSD            Number `json:"pnl_usd"`       // total_pnl_usd of the completed trade's summary; null without one
	DecisionType      Text   `json:"decision_type"` // of the summary
	OutcomeClass      Text   `json:"outcome_class"` // of the summary
}

// StreamGap says that changes between two places in the WAL were never seen.
//
// Why: The slot was lost, so the changes between two places are unknown.
//
// Do: Wake somebody. Values in between never existed for you; the comparison that follows says how the tables differ.
//
// Hidden: Silence would look like a quiet day.
//
//lowcap:event stream.gap control page
type StreamGap struct {
	Common
	FromLSN  string  `json:"from_lsn"`  // where the known stream ended
	ToLSN    string  `json:"to_lsn"`    // the consistent point of the snapshot that takes over
	FromTime Instant `json:"from_time"` // commit time of the last transaction seen before; null when there was none
	ToTime   Instant `json:"to_time"`   // the database's clock at the snapshot
	Why      string  `json:"why"`       // what was lost, for a person
}

// StreamAdopted says that another server, or the same one under another name or restored to another point, is the source of this
// history from here on. Numbers and hashes go on, sequence too, and ids stay unique.
//
// Why: Somebody said `reconcile --adopt`: the database was upgraded, moved, restored or renamed.
//
// Do: Expect another `source`. Keep ordering by `sequence`. A `stream.gap` follows where anything may be missing, then how the tables
// differ from what was known, then `stream.reconciled`.
//
// Hidden: A dump that was restored looks like a new database, and its LSNs begin near zero.
//
//lowcap:event stream.adopted control warn
type StreamAdopted struct {
	Common
	FromSource string  `json:"from_source"` // source of the events before this one
	ToSource   string  `json:"to_source"`   // source of this one, and of those that follow
	FromLSN    string  `json:"from_lsn"`    // where the known stream ended, in the WAL of from_source
	ToLSN      string  `json:"to_lsn"`      // where it goes on, in the WAL of to_source
	FromTime   Instant `json:"from_time"`   // commit time of the last transaction seen before; null when there was none
	ToTime     Instant `json:"to_time"`     // the new database's clock at to_lsn
	// whether the slot is the one that was read before, as after a rename or pg_upgrade from 17 on, so that the stream goes on from it
	SlotCameAlong bool `json:"slot_came_along"`
	// sequence of this event and those that follow begins with their commit LSN plus this
	SequenceBase uint64 `json:"sequence_base"`
}

// StreamReconciled closes a reconcile: every row was compared, the stream goes on from here.
//
// Why: Every row was compared; the stream goes on.
//
// Do: Take your state for complete again.
//
//lowcap:event stream.reconciled control info
type StreamReconciled struct {
	Common
	Rows        uint64 `json:"rows"`        // rows compared
	Differences uint64 `json:"differences"` // events the comparison gave
}

// TableTruncated says that a table was emptied; a deleted event for each known row follows.
//
// Why: A table was emptied.
//
// Do: Expect a `.deleted` for each known row, with `op` truncate.
//
// Hidden: TRUNCATE has no row changes of its own in the stream.
//
//lowcap:event table.truncated control warn
type TableTruncated struct {
	Common
	Table string `json:"table"` // the table's name
	Rows  uint64 `json:"rows"`  // rows known
}

// TableMissing says that a watched table cannot be seen any more.
//
// Why: A watched table was dropped, re-created, or left the publication.
//
// Do: Tell somebody: changes of it are not seen.
//
// Hidden: The schema file drops and creates the table, which silently leaves the publication.
//
//lowcap:event table.missing control warn
type TableMissing struct {
	Common
	Table string `json:"table"` // the table's name
	Why   string `json:"why"`   // what happened, for a person
}

// TablePresent says that a watched table is back.
//
// Why: The table is back; how its rows differ from what was known follows.
//
// Do: Take the events that follow as the new state.
//
//lowcap:event table.present control info
type TablePresent struct {
	Common
	Table string `json:"table"` // the table's name
	Why   string `json:"why"`   // what happened, for a person
}
