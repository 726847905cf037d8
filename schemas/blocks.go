package schemas

// EntryBlockSet says that stages of a token became blocked for entries.
type EntryBlockSet struct {
	Common
	Stages    []Stage           `json:"stages"`                                                                                  // the stages that became blocked
	Trigger   string            `json:"trigger" jsonschema:"enum=s1_failure,enum=s2_failure,enum=s1_and_s2_failure,enum=manual"` // which failure set it; manual when no failure timestamp moved
	FailureTS PerStage[Instant] `json:"failure_ts"`                                                                              // the row's failure timestamps
}

// EntryBlockRefreshed says that a stage that was blocked already failed again.
type EntryBlockRefreshed struct {
	Common
	Stages  []Stage `json:"stages"`                                                                                  // the blocked stages whose failure timestamp moved
	Trigger string  `json:"trigger" jsonschema:"enum=s1_failure,enum=s2_failure,enum=s1_and_s2_failure,enum=manual"` // which failure came again
}

// EntryBlockCleared says that stages became free again.
type EntryBlockCleared struct {
	Common
	Stages            []Stage          `json:"stages"`                                        // the stages that became free
	Trigger           string           `json:"trigger" jsonschema:"enum=success,enum=manual"` // success when last_success_ts moved forward, else manual
	BlockedForSeconds PerStage[Number] `json:"blocked_for_seconds"`                           // seconds from the failure that blocked the stage to the success (manual: to the commit); null where it is unknown or the stage was not cleared
}

// EntryBlockSuccessObserved says that last_success_ts moved forward.
type EntryBlockSuccessObserved struct {
	Common
	LastSuccessTS Instant `json:"last_success_ts"` // when the bot last succeeded with this token
}

// EntryBlockOrphaned says that a stage stays blocked although nothing will ever clear it.
type EntryBlockOrphaned struct {
	Common
	Stage Stage   `json:"stage"` // the stage that stays blocked
	Since Instant `json:"since"` // the success that should have cleared it
}

// EntryBlockDeleted says that the row is gone, and with it the block.
type EntryBlockDeleted struct {
	Common
	WasBlocked []Stage `json:"was_blocked"` // the stages that were blocked
}

// EntryBlockBaseline says how a block stood when it was first seen.
type EntryBlockBaseline struct {
	Common
	Stages        []Stage           `json:"stages"`          // the stages blocked now
	FailureTS     PerStage[Instant] `json:"failure_ts"`      // the row's failure timestamps
	LastSuccessTS Instant           `json:"last_success_ts"` // the row's success timestamp
}
