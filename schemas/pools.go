package schemas

// TrimPoolOpened says that an empty pool received money.
//
// Why: A sell freed USD that the bot may spend on rebuys.
//
// Do: Add `added_usd` to what is available. A revert may follow within seconds.
//
// Hidden: Every trim is written and then written back by a stale copy 0.1 to 10 s later; an alert that polls the table
// misses it.
//
//lowcap:event trim_pool.opened trim-pools info
type TrimPoolOpened struct {
	Common
	// USD in the pool now
	USDBasis Number `json:"usd_basis"`
	// USD that came in
	AddedUSD Number `json:"added_usd"`
	// the kind of sell; unknown when no sell came with it
	Cause string `json:"cause" jsonschema:"enum=trim,enum=emergency_exit,enum=unknown"`
	// by how much the USD in the pool grew in this change, signed
	DeltaUSD Number `json:"delta_usd"`
}

// TrimPoolIncreased says that an open pool received more money.
//
// Why: Another sell, before the pool was touched.
//
// Do: Add `added_usd`, never the difference of two floats.
//
// Hidden: `added_usd` is decimal arithmetic on the received digits: 61.355 - 38.9 is 22.455.
//
//lowcap:event trim_pool.increased trim-pools info
type TrimPoolIncreased struct {
	Common
	// USD in the pool now
	USDBasis Number `json:"usd_basis"`
	// USD that came in
	AddedUSD Number `json:"added_usd"`
	// the kind of sell; unknown when no sell came with it
	Cause string `json:"cause" jsonschema:"enum=trim,enum=emergency_exit,enum=unknown"`
	// by how much the USD in the pool grew in this change, signed
	DeltaUSD Number `json:"delta_usd"`
}

// TrimPoolRecoveryStarted says that the first rebuy from the pool was made.
//
// Why: The first rebuy of the DX ladder was paid from the pool.
//
// Do: Begin to watch the ladder; `trim_pool.dx_bought` with the same numbers follows.
//
// Hidden: The pool has no timestamp of its own: the buy that came with it has.
//
//lowcap:event trim_pool.recovery_started trim-pools info
type TrimPoolRecoveryStarted struct {
	Common
	Recovery
	// by how much the USD in the pool grew in this change, signed
	DeltaUSD Number `json:"delta_usd"`
}

// TrimPoolDXBought says that a rebuy of the DX ladder was made.
//
// Why: A rung of the DX ladder was bought. After the third the pool is closed.
//
// Do: Take `dx_count` as it is; flag `skipped_steps` says that rungs were not seen one by one.
//
// Hidden: A stale write can make the count jump.
//
//lowcap:event trim_pool.dx_bought trim-pools info
type TrimPoolDXBought struct {
	Common
	Recovery
	// by how much the USD in the pool grew in this change, signed
	DeltaUSD Number `json:"delta_usd"`
}

// Recovery is the state of a pool's DX ladder.
type Recovery struct {
	DXCount     Number `json:"dx_count"`      // rebuys so far, 1 to 3
	DXLastPrice Number `json:"dx_last_price"` // price of a token at the last one
	DXNextArm   Number `json:"dx_next_arm"`   // price at which the next one is armed
	USDBasis    Number `json:"usd_basis"`     // USD the pool began the recovery with
}

// TrimPoolReplaced says that a sell put a new pool in the place of one in recovery.
//
// Why: A sell during a recovery: what was left of the old pool is given up.
//
// Do: Close the old pool at `old_basis`, open one of `new_basis`. Nothing was added to the old one.
//
// Hidden: In the table it looks like a pool that shrank or grew.
//
//lowcap:event trim_pool.replaced trim-pools info
type TrimPoolReplaced struct {
	Common
	// USD in the pool that was in recovery, given up
	OldBasis Number `json:"old_basis"`
	// USD in the pool that takes its place
	NewBasis Number `json:"new_basis"`
	// the kind of sell
	Cause string `json:"cause" jsonschema:"enum=trim,enum=emergency_exit,enum=unknown"`
	// by how much the USD in the pool grew in this change, signed
	DeltaUSD Number `json:"delta_usd"`
}

// TrimPoolClosed says that the pool was used up or given up.
//
// Why: The pool was spent (`s2_dip_buy`, `dx_ladder_complete`) or was a leftover of the trade before
// (`s2_entry_new_trade`).
//
// Do: For recovered USD count `s2_dip_buy` and `dx_ladder_complete` only.
//
// Hidden: Nothing is reset when a trade closes, so a pool can outlive its trade. Absent, null, `{}` and the zeroed pool
// are one value.
//
//lowcap:event trim_pool.closed trim-pools info
type TrimPoolClosed struct {
	Common
	// USD it held
	ClosedBasis Number `json:"closed_basis"`
	// s2_dip_buy and dx_ladder_complete: spent; s2_entry_new_trade: a leftover of the trade before
	Reason string `json:"reason" jsonschema:"enum=s2_dip_buy,enum=s2_entry_new_trade,enum=dx_ladder_complete,enum=unknown"`
	// by how much the USD in the pool grew in this change, signed
	DeltaUSD Number `json:"delta_usd"`
}

// TrimPoolAdjusted says that the pool changed in a way that no known step explains.
//
// Why: No known step explains the change: a hand edit, or a pool that grew beside a buy.
//
// Do: Take `after` as the state; look at `changed` and `origin.actor`.
//
// Hidden: A change without a newer execution beside it is never taken for a sell or a buy.
//
//lowcap:event trim_pool.adjusted trim-pools info
type TrimPoolAdjusted struct {
	Common
	Changed []string `json:"changed"` // names of the fields that differ
	// the fields of changed as they were
	From Raw `json:"from"`
	// the fields of changed as they are
	To Raw `json:"to"`
	// by how much the USD in the pool grew in this change, signed
	DeltaUSD Number `json:"delta_usd"`
}

// Reverted is the own part of every *.reverted event: a stale write took a reported value back.
type Reverted struct {
	Key             string `json:"key"`               // the key of pm_execution_history
	RevertedTo      Raw    `json:"reverted_to"`       // the value now
	RevertedFrom    Raw    `json:"reverted_from"`     // the value taken back
	AliveForSeconds Number `json:"alive_for_seconds"` // seconds it stood, commit to commit; null when first seen in a baseline
	// same_tick: the tick that made the change wrote its older copy over it, within 30 s; later_write: something else did
	Cause string `json:"cause" jsonschema:"enum=same_tick,enum=later_write"`
}

// Restored is the own part of every *.restored event: a value reported before came back.
type Restored struct {
	Key          string `json:"key"`            // the key of pm_execution_history
	FirstEventID string `json:"first_event_id"` // the event that reported it first
}

// TrimPoolReverted says that a stale write took a pool change back.
//
// Why: The same tick wrote a stale copy of the whole document over the change.
//
// Do: Undo what the reverted event made you do; the sell itself did happen.
//
// Hidden: The most frequent hazard of the source. The short life of the value is the only evidence, so never debounce.
//
//lowcap:event trim_pool.reverted trim-pools warn,info
type TrimPoolReverted struct {
	Common
	Reverted
	// by how much the USD in the pool grew in this change, signed
	DeltaUSD Number `json:"delta_usd"`
}

// TrimPoolRestored says that a pool that had been reverted came back.
//
// Why: Another job's stale write brought the reverted pool back.
//
// Do: Do again what `first_event_id` made you do. It is not a second sell.
//
// Hidden: Value A, B, A, B: the second B is the first one again.
//
//lowcap:event trim_pool.restored trim-pools info
type TrimPoolRestored struct {
	Common
	Restored
	USDBasis    Number `json:"usd_basis"`     // USD in the pool now
	DXCount     Number `json:"dx_count"`      // rebuys so far
	DXLastPrice Number `json:"dx_last_price"` // price of a token at the last one
	DXNextArm   Number `json:"dx_next_arm"`   // price at which the next one is armed
	// by how much the USD in the pool grew in this change, signed
	DeltaUSD Number `json:"delta_usd"`
}
