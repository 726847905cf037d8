package schemas

// Type returns lowcap.entry_block.set.v1.
func (*EntryBlockSet) Type() Type { return "lowcap.entry_block.set.v1" }

// AppendJSON implements Data.
func (e *EntryBlockSet) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.stages("stages", e.Stages)
	o.string("trigger", e.Trigger)
	o.instants("failure_ts", e.FailureTS)
	return o.common(&e.Common)
}

// Type returns lowcap.entry_block.refreshed.v1.
func (*EntryBlockRefreshed) Type() Type { return "lowcap.entry_block.refreshed.v1" }

// AppendJSON implements Data.
func (e *EntryBlockRefreshed) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.stages("stages", e.Stages)
	o.string("trigger", e.Trigger)
	return o.common(&e.Common)
}

// Type returns lowcap.entry_block.cleared.v1.
func (*EntryBlockCleared) Type() Type { return "lowcap.entry_block.cleared.v1" }

// AppendJSON implements Data.
func (e *EntryBlockCleared) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.stages("stages", e.Stages)
	o.string("trigger", e.Trigger)
	o.numbers("blocked_for_seconds", e.BlockedForSeconds)
	return o.common(&e.Common)
}

// Type returns lowcap.entry_block.success_observed.v1.
func (*EntryBlockSuccessObserved) Type() Type { return "lowcap.entry_block.success_observed.v1" }

// AppendJSON implements Data.
func (e *EntryBlockSuccessObserved) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.instant("last_success_ts", e.LastSuccessTS)
	return o.common(&e.Common)
}

// Type returns lowcap.entry_block.orphaned.v1.
func (*EntryBlockOrphaned) Type() Type { return "lowcap.entry_block.orphaned.v1" }

// AppendJSON implements Data.
func (e *EntryBlockOrphaned) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("stage", string(e.Stage))
	o.instant("since", e.Since)
	return o.common(&e.Common)
}

// Type returns lowcap.entry_block.deleted.v1.
func (*EntryBlockDeleted) Type() Type { return "lowcap.entry_block.deleted.v1" }

// AppendJSON implements Data.
func (e *EntryBlockDeleted) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.stages("was_blocked", e.WasBlocked)
	return o.common(&e.Common)
}

// Type returns lowcap.entry_block.baseline.v1.
func (*EntryBlockBaseline) Type() Type { return "lowcap.entry_block.baseline.v1" }

// AppendJSON implements Data.
func (e *EntryBlockBaseline) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.stages("stages", e.Stages)
	o.instants("failure_ts", e.FailureTS)
	o.instant("last_success_ts", e.LastSuccessTS)
	return o.common(&e.Common)
}
