package schemas

// ExecutionBuyRecorded says that a buy was executed.
type ExecutionBuyRecorded struct {
	Common
	Slot      string `json:"slot"`       // s1, s2, s3, reclaim
	IsReclaim bool   `json:"is_reclaim"` // a rebuy after price reclaimed its EMA333
	Price     Number `json:"price"`
	SizeFrac  Number `json:"size_frac"` // planned, not filled
	Signal    Text   `json:"signal"`
	Stage     Text   `json:"stage"` // engine state, S0 to S4
}

// ExecutionTrimRecorded says that a part of the position was sold.
type ExecutionTrimRecorded struct {
	Common
	Price        Number `json:"price"`
	SizeFrac     Number `json:"size_frac"`
	Signal       Text   `json:"signal"`
	SRLevelPrice Number `json:"sr_level_price"` // support/resistance level that asked for the trim
	ProceedsUSD  Number `json:"proceeds_usd"`   // growth of the pool; null when it did not grow
}

// ExecutionTrimSignaled says that a trim was planned, even if it then failed.
type ExecutionTrimSignaled struct {
	Common
	SRLevelPrice Number `json:"sr_level_price"`
}

// ExecutionAmended says that a reported execution changed without a new timestamp.
type ExecutionAmended struct {
	Common
	Key     string   `json:"key"`
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
	Price        Number `json:"price"`
	SizeFrac     Number `json:"size_frac"`
	Signal       Text   `json:"signal"`
	SRLevelPrice Number `json:"sr_level_price"`
}

// BuybackRecorded says that the lotus buyback of a closed trade was made or skipped; the object is in after.
type BuybackRecorded struct {
	Common
	Skipped   bool   `json:"skipped"`
	ProfitUSD Number `json:"profit_usd"`
}

// HistoryPrevStateChanged says that the engine state at the last execution changed.
type HistoryPrevStateChanged struct {
	Common
	From Text `json:"from"`
	To   Text `json:"to"`
}

// HistoryMalformed carries a part of a row that could not be read; the rest of the row was.
type HistoryMalformed struct {
	Common
	Path string `json:"path"` // relative to pm_execution_history, or features, or a column's name
	Raw  Raw    `json:"raw"`
	Why  string `json:"why"`
}

// HistoryUnknownKey carries a key of the history that this version does not know.
type HistoryUnknownKey struct {
	Common
	Key string `json:"key"`
	Raw Raw    `json:"raw"` // null when the key went away
}
