package schemas

// EmergencyExitExecuted says that the bot sold a position in an emergency: wake somebody.
//
// Why: The bot sold because price broke its EMA333 or the trend's structure broke.
//
// Do: Wake somebody. `proceeds_usd` is what the pool grew by.
//
// Hidden: The writer never persists the documented exit record; this is read from the sell and the pool. It takes the
// place of `execution.trim_recorded`.
//
//lowcap:event emergency_exit.executed emergency-exits page
type EmergencyExitExecuted struct {
	Common
	// ema333_break: price broke its EMA333; structural: the trend's structure broke
	Kind string `json:"kind" jsonschema:"enum=ema333_break,enum=structural"`
	// the writer's own word: emergency_exit, exit_position
	Signal Text `json:"signal"`
	// the engine's reason, from features.uptrend_engine_v4
	ExitReason Text `json:"exit_reason"`
	// price of a token at the sell
	Price Number `json:"price"`
	// planned part of the position, 1 is all
	SizeFrac Number `json:"size_frac"`
	// USD by which the pool grew; null when it did not grow
	ProceedsUSD Number `json:"proceeds_usd"`
}

// EmergencyExitTriggered says that the documented exit record appeared or was stamped anew.
//
// Why: The documented exit record appeared; `retrigger` when there was one before.
//
// Do: Wake somebody, once for each exit: an `executed` of the same position may come in the same change (same `origin`).
//
// Hidden: The live writer does not write it; tools and later versions may. Both are supported.
//
//lowcap:event emergency_exit.triggered emergency-exits page
type EmergencyExitTriggered struct {
	Common
	ExitValueUSD Number `json:"exit_value_usd"` // USD the sell was planned to bring, before it was made
	RebuyUsed    bool   `json:"rebuy_used"`     // whether the one rebuy after the exit was made already
	Retrigger    bool   `json:"retrigger"`      // an exit record was there before
}

// EmergencyExitRebuyUsed says that the one rebuy after an exit was made.
//
// Why: The one rebuy that an exit allows was made.
//
// Do: Close the case of that exit.
//
// Hidden: The flag flips inside a record that otherwise stays the same.
//
//lowcap:event emergency_exit.rebuy_used emergency-exits info
type EmergencyExitRebuyUsed struct {
	Common
	ExitTimestamp string `json:"exit_timestamp"` // of the exit record, as received
}

// EmergencyExitGuardStamped says that the guard stamp moved without an exit record.
//
// Why: The stamp that keeps the bot from a second exit moved.
//
// Do: Nothing; it helps an audit when no exit record came.
//
// Hidden: The stamp differs from the record's timestamp by microseconds; it is not another exit.
//
//lowcap:event emergency_exit.guard_stamped emergency-exits info
type EmergencyExitGuardStamped struct {
	Common
	GuardTS string `json:"guard_ts"` // as received
}

// EmergencyExitReverted says that a stale write took an exit back: the alert stands, the record does not.
//
// Why: A stale write took the record of an exit back.
//
// Do: Keep the alert: the sell happened. Note that the database does not show it any more.
//
// Hidden: After the revert the table looks as if there had been no exit.
//
//lowcap:event emergency_exit.reverted emergency-exits warn
type EmergencyExitReverted struct {
	Common
	Reverted
}

// EmergencyExitRestored says that an exit reported before came back; it is not a second exit.
//
// Why: A stale write brought the record back.
//
// Do: Do not page again; `first_event_id` is the exit you know.
//
// Hidden: Looks like a second exit in the table.
//
//lowcap:event emergency_exit.restored emergency-exits info
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
