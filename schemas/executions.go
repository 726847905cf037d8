package schemas

// ExecutionBuyRecorded says that a buy was executed.
//
// Why: A buy was executed. `is_reclaim`: after price reclaimed its EMA333.
//
// Do: Count it; `size_frac` was planned, the fill is not in the history.
//
// Hidden: Newer than any timestamp seen for that key, so a stale write is never a new buy.
//
//lowcap:event execution.buy_recorded executions info
type ExecutionBuyRecorded struct {
	Common
	// which key of the history recorded it
	Slot string `json:"slot" jsonschema:"enum=s1,enum=s2,enum=s3,enum=reclaim"`
	// a rebuy after price reclaimed its EMA333
	IsReclaim bool `json:"is_reclaim"`
	// price of a token, as the bot recorded it
	Price Number `json:"price"`
	// planned part of the allocation, 1 is all; not what was filled
	SizeFrac Number `json:"size_frac"`
	// the writer's own word for why
	Signal Text `json:"signal"`
	// engine state, S0 to S4
	Stage Text `json:"stage"`
}

// ExecutionTrimRecorded says that a part of the position was sold.
//
// Why: A part of the position was sold.
//
// Do: Take `proceeds_usd` for what it brought; null with flag `no_pool_change`.
//
// Hidden: A revert follows most trims.
//
//lowcap:event execution.trim_recorded executions info
type ExecutionTrimRecorded struct {
	Common
	Price        Number `json:"price"`          // price of a token, as the bot recorded it
	SizeFrac     Number `json:"size_frac"`      // planned part of the position, 1 is all
	Signal       Text   `json:"signal"`         // the writer's own word for why, e.g. trim_flag
	SRLevelPrice Number `json:"sr_level_price"` // price of the support or resistance level that asked for the trim
	ProceedsUSD  Number `json:"proceeds_usd"`   // USD by which the pool grew; null when it did not grow
	// tokens held after the change, by the same row
	RemainingQuantity Number `json:"remaining_quantity"`
}

// ExecutionTrimSignaled says that a trim was planned, even if it then failed.
//
// Why: A trim was planned, perhaps never made.
//
// Do: Compare with `execution.trim_recorded` to find failed trims.
//
// Hidden: The key is not documented by the source.
//
//lowcap:event execution.trim_signaled executions info
type ExecutionTrimSignaled struct {
	Common
	SRLevelPrice Number `json:"sr_level_price"` // price of the level that asked for the trim
}

// ExecutionAmended says that a reported execution changed without a new timestamp.
//
// Why: Price or size of a reported execution changed, its timestamp did not: a correction.
//
// Do: Correct the execution that you have; do not count another.
//
// Hidden: Numbers that are only spelled differently (150 and 150.0) are no change.
//
//lowcap:event execution.amended executions info
type ExecutionAmended struct {
	Common
	Key     string   `json:"key"`     // the key of pm_execution_history
	Changed []string `json:"changed"` // names of the fields that differ
}

// ExecutionReverted says that a stale write took a reported execution back.
//
// Why: A stale write took the record back. The execution did happen.
//
// Do: Mark it as no longer in the database; keep it in your books.
//
// Hidden: A key that vanishes or goes back in time is reverted, not cleared.
//
//lowcap:event execution.reverted executions warn,info
type ExecutionReverted struct {
	Common
	Reverted
}

// ExecutionRestored says that an execution reported before came back; it is not a second one.
//
// Why: The record came back.
//
// Do: Point it to `first_event_id`.
//
// Hidden: Same embedded timestamp again: never a second execution.
//
//lowcap:event execution.restored executions info
type ExecutionRestored struct {
	Common
	Restored
	Price        Number `json:"price"`          // as first reported
	SizeFrac     Number `json:"size_frac"`      // as first reported
	Signal       Text   `json:"signal"`         // as first reported
	SRLevelPrice Number `json:"sr_level_price"` // as first reported; null for a buy
}

// BuybackRecorded says that the lotus buyback of a closed trade was made or skipped; the object is in after.
//
// Why: At trade close the bot decided about a buyback of its own token.
//
// Do: Book `profit_usd`; `skipped` says that nothing was bought.
//
// Hidden: The object has no timestamp: `occurred_at` is the commit.
//
//lowcap:event buyback.recorded executions info
type BuybackRecorded struct {
	Common
	Skipped   bool   `json:"skipped"`    // true when nothing was bought
	ProfitUSD Number `json:"profit_usd"` // USD of profit that the buyback was computed from
	TradeID   Text   `json:"trade_id"`   // the trade that it belongs to, a UUID; null when there is none
}

// ExecutionUnrecorded says that the books of a position moved, and that no buy or sell was recorded with it.
//
// Why: The bot sold or bought, and its write of the history failed: the books moved, and two minutes later nothing was
// recorded.
//
// Do: Tell somebody; wake somebody when a sell left nothing. The trade went through: book `tokens` and `usd`, repair the
// history.
//
// Hidden: The writer swallows the error, and in the history the execution never happened.
//
//lowcap:event execution.unrecorded executions warn,page due
type ExecutionUnrecorded struct {
	Common
	Direction    string  `json:"direction" jsonschema:"enum=buy,enum=sell"` // by which sum of tokens grew
	Tokens       Number  `json:"tokens"`                                    // by how much it grew
	USD          Number  `json:"usd"`                                       // by how much the sum of USD grew; null where the row has none
	Since        Instant `json:"since"`                                     // commit time of the first change that is not recorded
	HeldQuantity Number  `json:"held_quantity"`                             // tokens held when this is told
}

// HistoryPrevStateChanged says that the engine state at the last execution changed.
//
// Why: The engine's state at the last execution moved.
//
// Do: Use it to explain an execution of the same `origin`.
//
// Hidden: Moves back and forth with stale writes.
//
//lowcap:event history.prev_state_changed executions info
type HistoryPrevStateChanged struct {
	Common
	From Text `json:"from"` // the state before, S0 to S4
	To   Text `json:"to"`   // the state now; null when the key went away
}

// HistoryMalformed carries a part of a row that could not be read; the rest of the row was.
//
// Why: A part of the row was not what it should be; the rest was read.
//
// Do: Tell somebody; repair the row. It is reported once for each distinct value.
//
// Hidden: `trim_pool: []` and a basis in quotes occur. A malformed field is a part: the other fields of its record are
// judged. The value last well-formed stays what later ones are compared with. Of many in one change the first hundred
// have an event each, and one more event says in `more` how many there are beyond those.
//
//lowcap:event history.malformed quarantine warn
type HistoryMalformed struct {
	Common
	Path string `json:"path"` // relative to pm_execution_history, or features, or a column's name
	Raw  Raw    `json:"raw"`  // the value that could not be read, exactly as received
	Why  string `json:"why"`  // what is wrong with it, for a person
	More Number `json:"more"` // malformed parts of the same change that no event tells; on its last event, null otherwise
}

// HistoryUnknownKey carries a key of the history that this version does not know.
//
// Why: The writer is newer than this sidecar.
//
// Do: Update the sidecar, or ignore it.
//
// Hidden: Of many in one change the first hundred by name have an event each, and one more event says in `more` how many
// there are beyond those.
//
//lowcap:event history.unknown_key quarantine info
type HistoryUnknownKey struct {
	Common
	Key  string `json:"key"`  // the key of pm_execution_history; empty on the event that only tells more
	Raw  Raw    `json:"raw"`  // its value, exactly as received; null when the key went away
	More Number `json:"more"` // unknown keys of the same change that no event tells; on its last event, null otherwise
}
