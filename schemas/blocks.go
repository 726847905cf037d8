package schemas

// EntryBlockSet says that stages of a token became blocked for entries.
//
// Why: A token failed an entry stage, so the bot must not enter it again before it has succeeded elsewhere.
//
// Do: Show the block; begin a timer if you want to know how long entries were missed.
//
// Hidden: A failure of S1 alone blocks both stages but stamps only `last_s1_failure_ts`; a failure of both may be two
// writes milliseconds apart (a set and a refreshed). A row inserted with nothing blocked is no event.
//
//lowcap:event entry_block.set entry-blocks info
type EntryBlockSet struct {
	Common
	// the stages that became blocked
	Stages []Stage `json:"stages"`
	// which failure set it; manual when no failure timestamp moved
	Trigger string `json:"trigger" jsonschema:"enum=s1_failure,enum=s2_failure,enum=s1_and_s2_failure,enum=manual"`
	// the row's failure timestamps
	FailureTS PerStage[Instant] `json:"failure_ts"`
}

// EntryBlockRefreshed says that a stage that was blocked already failed again.
//
// Why: The stage failed again while it was blocked.
//
// Do: Count it as a failure, not as a block.
//
// Hidden: The second of two writes of one failure looks like this.
//
//lowcap:event entry_block.refreshed entry-blocks info
type EntryBlockRefreshed struct {
	Common
	// the blocked stages whose failure timestamp moved
	Stages []Stage `json:"stages"`
	// which failure came again
	Trigger string `json:"trigger" jsonschema:"enum=s1_failure,enum=s2_failure,enum=s1_and_s2_failure,enum=manual"`
}

// EntryBlockCleared says that stages became free again.
//
// Why: The token succeeded, or somebody lifted the block.
//
// Do: Take `blocked_for_seconds` for the time that entries were missed; do not compute it from `time`.
//
// Hidden: A success after an S1-only failure frees S1 and forgets S2; then `entry_block.orphaned` follows.
//
//lowcap:event entry_block.cleared entry-blocks info,warn
type EntryBlockCleared struct {
	Common
	// the stages that became free
	Stages []Stage `json:"stages"`
	// success when last_success_ts moved forward, else manual
	Trigger string `json:"trigger" jsonschema:"enum=success,enum=manual"`
	// seconds from the stage's newest failure to the success (manual: to the commit); null where it is
	// unknown or the stage was not cleared
	BlockedForSeconds PerStage[Number] `json:"blocked_for_seconds"`
}

// EntryBlockSuccessObserved says that last_success_ts moved forward.
//
// Why: The bot succeeded with a token that has, or had, a block.
//
// Do: Nothing, unless you count successes.
//
// Hidden: Two writes of one success give two of these, milliseconds apart.
//
//lowcap:event entry_block.success_observed entry-blocks info
type EntryBlockSuccessObserved struct {
	Common
	LastSuccessTS Instant `json:"last_success_ts"` // when the bot last succeeded with this token
}

// EntryBlockOrphaned says that a stage stays blocked although nothing will ever clear it.
//
// Why: S2 was blocked by a failure of S1 alone, and the success that freed S1 did not free it: the bot never will.
//
// Do: Tell somebody; unblock by hand, with an annotation that says who and why.
//
// Hidden: In the table such a row looks like any other blocked one.
//
//lowcap:event entry_block.orphaned entry-blocks warn
type EntryBlockOrphaned struct {
	Common
	Stage Stage   `json:"stage"` // the stage that stays blocked
	Since Instant `json:"since"` // the success that should have cleared it
}

// EntryBlockDeleted says that the row is gone, and with it the block.
//
// Why: A person or a tool deleted the row, or emptied the table.
//
// Do: End what the set began. `was_blocked` is empty when nothing was blocked any more.
//
// Hidden: The database says only the key of a deleted row; what it held comes from what was last known.
//
//lowcap:event entry_block.deleted entry-blocks info
type EntryBlockDeleted struct {
	Common
	WasBlocked []Stage `json:"was_blocked"` // the stages that were blocked
	// seconds from the stage's newest failure to the commit; null where it is unknown or the stage was not blocked
	BlockedForSeconds PerStage[Number] `json:"blocked_for_seconds"`
}

// EntryBlockBaseline says how a block stood when it was first seen.
//
// Why: The first look at the row: a snapshot, or a table that came back.
//
// Do: Take it as the starting state. It is no new block.
//
// Hidden: Without it a consumer would not know of blocks older than the stream.
//
//lowcap:event entry_block.baseline entry-blocks info
type EntryBlockBaseline struct {
	Common
	Stages        []Stage           `json:"stages"`          // the stages blocked now
	FailureTS     PerStage[Instant] `json:"failure_ts"`      // the row's failure timestamps
	LastSuccessTS Instant           `json:"last_success_ts"` // the row's success timestamp
}

// EntryBlockNotSet says that a trade that should have blocked its token's entry stages did not.
//
// Why: A trade bought in S1 or S2 and ended with a loss, and two minutes later its token's block knew of no failure since the
// trade's first buy.
//
// Do: Tell somebody: the bot may buy the token again. Look at the bot's log of the close, and set the block by hand.
//
// Hidden: What is missing leaves nothing in the table to look for. At most one a day comes for each token and timeframe.
//
//lowcap:event entry_block.not_set entry-blocks warn due
type EntryBlockNotSet struct {
	Common
	TradeID string  `json:"trade_id"` // the trade, a UUID
	PnLUSD  Number  `json:"pnl_usd"`  // USD the trade made, below zero
	Stages  []Stage `json:"stages"`   // the stages in which it bought
	Block   Raw     `json:"block"`    // the token's block under onchain_crypto; null when there is no row
}
