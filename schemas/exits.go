package schemas

// EmergencyExitExecuted says that the bot sold a position in an emergency: wake somebody.
type EmergencyExitExecuted struct {
	Common
	Kind        string `json:"kind" jsonschema:"enum=ema333_break,enum=structural"` // ema333_break: price broke its EMA333; structural: the trend's structure broke
	Signal      Text   `json:"signal"`                                              // the writer's own word: emergency_exit, exit_position
	ExitReason  Text   `json:"exit_reason"`                                         // the engine's reason, from features.uptrend_engine_v4
	Price       Number `json:"price"`                                               // price of a token at the sell
	SizeFrac    Number `json:"size_frac"`                                           // planned part of the position, 1 is all
	ProceedsUSD Number `json:"proceeds_usd"`                                        // USD by which the pool grew; null when it did not grow
}

// EmergencyExitTriggered says that the documented exit record appeared or was stamped anew.
type EmergencyExitTriggered struct {
	Common
	ExitValueUSD Number `json:"exit_value_usd"` // USD the sell was planned to bring, before it was made
	RebuyUsed    bool   `json:"rebuy_used"`     // whether the one rebuy after the exit was made already
	Retrigger    bool   `json:"retrigger"`      // an exit record was there before
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
	ExitValueUSD Number `json:"exit_value_usd"` // USD as first reported; null unless an exit record came back
	RebuyUsed    *bool  `json:"rebuy_used"`     // as first reported; null unless an exit record came back
	Signal       Text   `json:"signal"`         // as first reported; null unless an exit's sell came back
	Price        Number `json:"price"`          // as first reported; null unless an exit's sell came back
	SizeFrac     Number `json:"size_frac"`      // as first reported; null unless an exit's sell came back
	GuardTS      Text   `json:"guard_ts"`       // as first reported; null unless a guard stamp came back
}
