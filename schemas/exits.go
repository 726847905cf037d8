package schemas

// EmergencyExitExecuted says that the bot sold a position in an emergency: wake somebody.
type EmergencyExitExecuted struct {
	Common
	Kind        string `json:"kind"`         // ema333_break, structural
	Signal      Text   `json:"signal"`       // the writer's own word: emergency_exit, exit_position
	ExitReason  Text   `json:"exit_reason"`  // the engine's reason, from features.uptrend_engine_v4
	Price       Number `json:"price"`        // of the sell
	SizeFrac    Number `json:"size_frac"`    // planned part of the position, 1 is all
	ProceedsUSD Number `json:"proceeds_usd"` // growth of the pool; null when it did not grow
}

// EmergencyExitTriggered says that the documented exit record appeared or was stamped anew.
type EmergencyExitTriggered struct {
	Common
	ExitValueUSD Number `json:"exit_value_usd"` // planned, before the sell
	RebuyUsed    bool   `json:"rebuy_used"`
	Retrigger    bool   `json:"retrigger"` // an exit record was there before
}

// EmergencyExitRebuyUsed says that the one rebuy after an exit was made.
type EmergencyExitRebuyUsed struct {
	Common
	ExitTimestamp string `json:"exit_timestamp"` // of the exit record, as received
}

// EmergencyExitGuardStamped says that the guard stamp moved without an exit record.
type EmergencyExitGuardStamped struct {
	Common
	GuardTS string `json:"guard_ts"` // as received
}

// EmergencyExitReverted says that a stale write took an exit back: the alert stands, the record does not.
type EmergencyExitReverted struct {
	Common
	Reverted
}

// EmergencyExitRestored says that an exit reported before came back; it is not a second exit.
type EmergencyExitRestored struct {
	Common
	Restored
	ExitValueUSD Number `json:"exit_value_usd"`
	RebuyUsed    *bool  `json:"rebuy_used"`
	Signal       Text   `json:"signal"`
	Price        Number `json:"price"`
	SizeFrac     Number `json:"size_frac"`
	GuardTS      Text   `json:"guard_ts"`
}
