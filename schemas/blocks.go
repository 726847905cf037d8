package schemas

// EntryBlockSet says that stages of a token became blocked for entries.
type EntryBlockSet struct {
	Common
	Stages    []Stage           `json:"stages"`     // the stages that became blocked
	Trigger   string            `json:"trigger"`    // s1_failure, s2_failure, s1_and_s2_failure, manual
	FailureTS PerStage[Instant] `json:"failure_ts"` // the row's failure timestamps
}

// EntryBlockRefreshed says that a stage that was blocked already failed again.
type EntryBlockRefreshed struct {
	Common
	Stages  []Stage `json:"stages"`  // the blocked stages whose failure timestamp moved
	Trigger string  `json:"trigger"` // s1_failure, s2_failure, s1_and_s2_failure, manual
}

// EntryBlockCleared says that stages became free again.
type EntryBlockCleared struct {
	Common
	Stages            []Stage          `json:"stages"`
	Trigger           string           `json:"trigger"`             // success, manual
	BlockedForSeconds PerStage[Number] `json:"blocked_for_seconds"` // null where it is unknown or the stage was not cleared
}

// EntryBlockSuccessObserved says that last_success_ts moved forward.
type EntryBlockSuccessObserved struct {
	Common
	LastSuccessTS Instant `json:"last_success_ts"`
}

// EntryBlockOrphaned says that a stage stays blocked although nothing will ever clear it.
type EntryBlockOrphaned struct {
	Common
	Stage Stage   `json:"stage"`
	Since Instant `json:"since"` // the success that should have cleared it
}

// EntryBlockDeleted says that the row is gone, and with it the block.
type EntryBlockDeleted struct {
	Common
	WasBlocked []Stage `json:"was_blocked"`
}

// EntryBlockBaseline says how a block stood when it was first seen.
type EntryBlockBaseline struct {
	Common
	Stages        []Stage           `json:"stages"` // the stages blocked now
	FailureTS     PerStage[Instant] `json:"failure_ts"`
	LastSuccessTS Instant           `json:"last_success_ts"`
}
