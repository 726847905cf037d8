package schemas

// TrimPoolOpened says that an empty pool received money.
type TrimPoolOpened struct {
	Common
	USDBasis Number `json:"usd_basis"` // USD in the pool now
	AddedUSD Number `json:"added_usd"` // USD that came in
	Cause    string `json:"cause"`     // trim, emergency_exit, unknown
}

// TrimPoolIncreased says that an open pool received more money.
type TrimPoolIncreased struct {
	Common
	USDBasis Number `json:"usd_basis"`
	AddedUSD Number `json:"added_usd"`
	Cause    string `json:"cause"`
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
	DXCount     Number `json:"dx_count"`      // rebuys so far
	DXLastPrice Number `json:"dx_last_price"` // price of the last one
	DXNextArm   Number `json:"dx_next_arm"`   // price at which the next one is armed
	USDBasis    Number `json:"usd_basis"`     // USD the pool began the recovery with
}

// TrimPoolReplaced says that a sell put a new pool in the place of one in recovery.
type TrimPoolReplaced struct {
	Common
	OldBasis Number `json:"old_basis"`
	NewBasis Number `json:"new_basis"`
	Cause    string `json:"cause"` // trim, emergency_exit
}

// TrimPoolClosed says that the pool was used up or given up.
type TrimPoolClosed struct {
	Common
	ClosedBasis Number `json:"closed_basis"` // USD it held
	Reason      string `json:"reason"`       // s2_dip_buy, s2_entry_new_trade, dx_ladder_complete, unknown
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
	AliveForSeconds Number `json:"alive_for_seconds"` // how long it stood, commit to commit; null when first seen in a baseline
}

// Restored is the own part of every *.restored event: a value reported before came back.
type Restored struct {
	Key          string `json:"key"`
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
	USDBasis    Number `json:"usd_basis"`
	DXCount     Number `json:"dx_count"`
	DXLastPrice Number `json:"dx_last_price"`
	DXNextArm   Number `json:"dx_next_arm"`
}
