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
//lowcap:event emergency_exit.executed emergency-exits page,info
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
	// tokens held after the change, by the same row
	RemainingQuantity Number `json:"remaining_quantity"`
	// the triggered that this is one alarm with; null for the first of the two
	FirstEventID Text `json:"first_event_id"`
}

// EmergencyExitTriggered says that the documented exit record appeared or was stamped anew.
//
// Why: The documented exit record appeared; `retrigger` when there was one before.
//
// Do: Wake somebody. When an `executed` of the same position came within a minute, this is the same alarm: it is info and
// names that event in `first_event_id`.
//
// Hidden: The live writer does not write it; tools and later versions may. Both are supported.
//
//lowcap:event emergency_exit.triggered emergency-exits page,info
type EmergencyExitTriggered struct {
	Common
	ExitValueUSD Number `json:"exit_value_usd"` // USD the sell was planned to bring, before it was made
	RebuyUsed    *bool  `json:"rebuy_used"`     // whether the one rebuy after the exit was made already; null where the record does not say
	Retrigger    bool   `json:"retrigger"`      // an exit record was there before
	// the executed that this is one alarm with; null for the first of the two
	FirstEventID Text `json:"first_event_id"`
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
//lowcap:event emergency_exit.reverted emergency-exits warn,info
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

// EmergencyExitPending says that the bot wants out of a position and still holds it: wake somebody.
//
// Why: The engine has asked for an exit for ten minutes, and the tokens are still there: the sell fails, or nobody makes it.
//
// Do: Wake somebody, who sells by hand or finds out why the bot does not. Reminders come after an hour and then every six;
// `emergency_exit.settled` ends them.
//
// Hidden: A sell that fails writes nothing, and is tried again on each tick.
//
//lowcap:event emergency_exit.pending emergency-exits page due
type EmergencyExitPending struct {
	Common
	// commit time of the change since which the exit is wanted and the position held
	WantedSince Instant `json:"wanted_since"`
	// the engine's flag, as it was then
	Flag         string `json:"flag" jsonschema:"enum=emergency_exit,enum=exit_position"`
	ExitReason   Text   `json:"exit_reason"`   // the engine's reason, from features.uptrend_engine_v4
	HeldQuantity Number `json:"held_quantity"` // tokens held
	EnginePrice  Number `json:"engine_price"`  // price of a token, by the engine
	ValueUSD     Number `json:"value_usd"`     // of the tokens at that price; null without a price
	Reminder     uint64 `json:"reminder"`      // 0 the first time, then 1, 2, …
}

// EmergencyExitSettled says how an exit that was pending ended.
//
// Why: The tokens were sold or went away, the engine took its wish back, or the trade ended.
//
// Do: End the alarm that `pending_event_id` began. `emptied` and `closed` need a look: no sell was recorded.
//
// Hidden: A sell may be recorded two transactions after the tokens are gone, so `executed` and `emptied` may come later.
//
//lowcap:event emergency_exit.settled emergency-exits info due
type EmergencyExitSettled struct {
	Common
	// executed: sold and recorded; emptied: gone without a record; withdrawn: no longer wanted, still held; closed: the trade
	// or the row ended while tokens were held
	Outcome        string  `json:"outcome" jsonschema:"enum=executed,enum=emptied,enum=withdrawn,enum=closed"`
	WantedSince    Instant `json:"wanted_since"`     // as the pending event has it
	HeldQuantity   Number  `json:"held_quantity"`    // tokens, as last held
	PendingEventID string  `json:"pending_event_id"` // the first emergency_exit.pending of this exit
}

// EmergencyExitAbandoned says that a trade was closed while its tokens were still held: wake somebody.
//
// Why: The engine reached S0 and the bot closed the trade, though what it held had not been sold.
//
// Do: Wake somebody: the tokens are in the wallet and the bot does not know of them any more. Sell by hand.
//
// Hidden: The close sets the quantity to 0, so afterwards the row looks like one that was sold.
//
//lowcap:event emergency_exit.abandoned emergency-exits page
type EmergencyExitAbandoned struct {
	Common
	TradeID  string `json:"trade_id"`  // the trade, a UUID
	Quantity Number `json:"quantity"`  // tokens that nobody sold
	ValueUSD Number `json:"value_usd"` // of them at the engine's price; null without a price
	Wanted   bool   `json:"wanted"`    // the engine asks for an exit
	LastSell Raw    `json:"last_sell"` // last_trim of the history; null when there is none
}
