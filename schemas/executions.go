package schemas

// ExecutionBuyRecorded says that a buy was executed.
type ExecutionBuyRecorded struct {
	Common
	Slot      string `json:"slot" jsonschema:"enum=s1,enum=s2,enum=s3,enum=reclaim"` // which key of the history recorded it
	IsReclaim bool   `json:"is_reclaim"`                                             // a rebuy after price reclaimed its EMA333
	Price     Number `json:"price"`                                                  // price of a token, as the bot recorded it
	SizeFrac  Number `json:"size_frac"`                                              // planned part of the allocation, 1 is all; not what was filled
	Signal    Text   `json:"signal"`                                                 // the writer's own word for why
	Stage     Text   `json:"stage"`                                                  // engine state, S0 to S4
}

// ExecutionTrimRecorded says that a part of the position was sold.
type ExecutionTrimRecorded struct {
	Common
	Price        Number `json:"price"`          // price of a token, as the bot recorded it
	SizeFrac     Number `json:"size_frac"`      // planned part of the position, 1 is all
	Signal       Text   `json:"signal"`         // the writer's own word for why, e.g. trim_flag
	SRLevelPrice Number `json:"sr_level_price"` // price of the support or resistance level that asked for the trim
	ProceedsUSD  Number `json:"proceeds_usd"`   // USD by which the pool grew; null when it did not grow
}

// ExecutionTrimSignaled says that a trim was planned, even if it then failed.
type ExecutionTrimSignaled struct {
	Common
	SRLevelPrice Number `json:"sr_level_price"` // price of the level that asked for the trim
}

// ExecutionAmended says that a reported execution changed without a new timestamp.
type ExecutionAmended struct {
	Common
	Key     string   `json:"key"`     // the key of pm_execution_history
	Changed []string `json:"changed"` // names of the fields that differ
}

// ExecutionReverted says that a stale write took a reported execution back.
type ExecutionReverted struct {
	Common
	Reverted
}

// ExecutionRestored says that an execution reported before came back; it is not a second one.
type ExecutionRestored struct {
	Common
	Restored
	Price        Number `json:"price"`          // as first reported
	SizeFrac     Number `json:"size_frac"`      // as first reported
	Signal       Text   `json:"signal"`         // as first reported
	SRLevelPrice Number `json:"sr_level_price"` // as first reported; null for a buy
}

// BuybackRecorded says that the lotus buyback of a closed trade was made or skipped; the object is in after.
type BuybackRecorded struct {
	Common
	Skipped   bool   `json:"skipped"`    // true when nothing was bought
	ProfitUSD Number `json:"profit_usd"` // USD of profit that the buyback was computed from
}

// HistoryPrevStateChanged says that the engine state at the last execution changed.
type HistoryPrevStateChanged struct {
	Common
	From Text `json:"from"` // the state before, S0 to S4
	To   Text `json:"to"`   // the state now; null when the key went away
}

// HistoryMalformed carries a part of a row that could not be read; the rest of the row was.
type HistoryMalformed struct {
	Common
	Path string `json:"path"` // relative to pm_execution_history, or features, or a column's name
	Raw  Raw    `json:"raw"`  // the value that could not be read, exactly as received
	Why  string `json:"why"`  // what is wrong with it, for a person
}

// HistoryUnknownKey carries a key of the history that this version does not know.
type HistoryUnknownKey struct {
	Common
	Key string `json:"key"` // the key of pm_execution_history
	Raw Raw    `json:"raw"` // its value, exactly as received; null when the key went away
}
