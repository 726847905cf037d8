package schemas

// TrimPoolOpened says that an empty pool received money.
type TrimPoolOpened struct {
	Common
	USDBasis Number `json:"usd_basis"`                                                     // USD in the pool now
	AddedUSD Number `json:"added_usd"`                                                     // USD that came in
	Cause    string `json:"cause" jsonschema:"enum=trim,enum=emergency_exit,enum=unknown"` // the kind of sell; unknown when no sell came with it
}

// TrimPoolIncreased says that an open pool received more money.
type TrimPoolIncreased struct {
	Common
	USDBasis Number `json:"usd_basis"`                                                     // USD in the pool now
	AddedUSD Number `json:"added_usd"`                                                     // USD that came in
	Cause    string `json:"cause" jsonschema:"enum=trim,enum=emergency_exit,enum=unknown"` // the kind of sell; unknown when no sell came with it
}

// TrimPoolRecoveryStarted says that the first rebuy from the pool was made.
type TrimPoolRecoveryStarted struct {
	Common
	Recovery
}

// TrimPoolDXBought says that a rebuy of the DX ladder was made.
type TrimPoolDXBought struct {
	Common
	Recovery
}

// Recovery is the state of a pool's DX ladder.
type Recovery struct {
	DXCount     Number `json:"dx_count"`      // rebuys so far, 1 to 3
	DXLastPrice Number `json:"dx_last_price"` // price of a token at the last one
	DXNextArm   Number `json:"dx_next_arm"`   // price at which the next one is armed
	USDBasis    Number `json:"usd_basis"`     // USD the pool began the recovery with
}

// TrimPoolReplaced says that a sell put a new pool in the place of one in recovery.
type TrimPoolReplaced struct {
	Common
	OldBasis Number `json:"old_basis"`                                                     // USD in the pool that was in recovery, given up
	NewBasis Number `json:"new_basis"`                                                     // USD in the pool that takes its place
	Cause    string `json:"cause" jsonschema:"enum=trim,enum=emergency_exit,enum=unknown"` // the kind of sell
}

// TrimPoolClosed says that the pool was used up or given up.
type TrimPoolClosed struct {
	Common
	ClosedBasis Number `json:"closed_basis"`                                                                                     // USD it held
	Reason      string `json:"reason" jsonschema:"enum=s2_dip_buy,enum=s2_entry_new_trade,enum=dx_ladder_complete,enum=unknown"` // s2_dip_buy and dx_ladder_complete: spent; s2_entry_new_trade: a leftover of the trade before
}

// TrimPoolAdjusted says that the pool changed in a way that no known step explains.
type TrimPoolAdjusted struct {
	Common
	Changed []string `json:"changed"` // names of the fields that differ
}

// Reverted is the own part of every *.reverted event: a stale write took a reported value back.
type Reverted struct {
	Key             string `json:"key"`               // the key of pm_execution_history
	RevertedTo      Raw    `json:"reverted_to"`       // the value now
	RevertedFrom    Raw    `json:"reverted_from"`     // the value taken back
	AliveForSeconds Number `json:"alive_for_seconds"` // seconds it stood, commit to commit; null when first seen in a baseline
}

// Restored is the own part of every *.restored event: a value reported before came back.
type Restored struct {
	Key          string `json:"key"`            // the key of pm_execution_history
	FirstEventID string `json:"first_event_id"` // the event that reported it first
}

// TrimPoolReverted says that a stale write took a pool change back.
type TrimPoolReverted struct {
	Common
	Reverted
}

// TrimPoolRestored says that a pool that had been reverted came back.
type TrimPoolRestored struct {
	Common
	Restored
	USDBasis    Number `json:"usd_basis"`     // USD in the pool now
	DXCount     Number `json:"dx_count"`      // rebuys so far
	DXLastPrice Number `json:"dx_last_price"` // price of a token at the last one
	DXNextArm   Number `json:"dx_next_arm"`   // price at which the next one is armed
}
