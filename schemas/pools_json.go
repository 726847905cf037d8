package schemas

// Type returns lowcap.trim_pool.opened.v1.
func (*TrimPoolOpened) Type() Type { return "lowcap.trim_pool.opened.v1" }

// AppendJSON implements Data.
func (e *TrimPoolOpened) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.number("usd_basis", e.USDBasis)
	o.number("added_usd", e.AddedUSD)
	o.string("cause", e.Cause)
	return o.common(&e.Common)
}

// Type returns lowcap.trim_pool.increased.v1.
func (*TrimPoolIncreased) Type() Type { return "lowcap.trim_pool.increased.v1" }

// AppendJSON implements Data.
func (e *TrimPoolIncreased) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.number("usd_basis", e.USDBasis)
	o.number("added_usd", e.AddedUSD)
	o.string("cause", e.Cause)
	return o.common(&e.Common)
}

// Type returns lowcap.trim_pool.recovery_started.v1.
func (*TrimPoolRecoveryStarted) Type() Type { return "lowcap.trim_pool.recovery_started.v1" }

// AppendJSON implements Data.
func (e *TrimPoolRecoveryStarted) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.recovery(&e.Recovery)
	return o.common(&e.Common)
}

// Type returns lowcap.trim_pool.dx_bought.v1.
func (*TrimPoolDXBought) Type() Type { return "lowcap.trim_pool.dx_bought.v1" }

// AppendJSON implements Data.
func (e *TrimPoolDXBought) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.recovery(&e.Recovery)
	return o.common(&e.Common)
}

// Type returns lowcap.trim_pool.replaced.v1.
func (*TrimPoolReplaced) Type() Type { return "lowcap.trim_pool.replaced.v1" }

// AppendJSON implements Data.
func (e *TrimPoolReplaced) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.number("old_basis", e.OldBasis)
	o.number("new_basis", e.NewBasis)
	o.string("cause", e.Cause)
	return o.common(&e.Common)
}

// Type returns lowcap.trim_pool.closed.v1.
func (*TrimPoolClosed) Type() Type { return "lowcap.trim_pool.closed.v1" }

// AppendJSON implements Data.
func (e *TrimPoolClosed) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.number("closed_basis", e.ClosedBasis)
	o.string("reason", e.Reason)
	return o.common(&e.Common)
}

// Type returns lowcap.trim_pool.adjusted.v1.
func (*TrimPoolAdjusted) Type() Type { return "lowcap.trim_pool.adjusted.v1" }

// AppendJSON implements Data.
func (e *TrimPoolAdjusted) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.strings("changed", e.Changed)
	return o.common(&e.Common)
}

// Type returns lowcap.trim_pool.reverted.v1.
func (*TrimPoolReverted) Type() Type { return "lowcap.trim_pool.reverted.v1" }

// AppendJSON implements Data.
func (e *TrimPoolReverted) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.reverted(&e.Reverted)
	return o.common(&e.Common)
}

// Type returns lowcap.trim_pool.restored.v1.
func (*TrimPoolRestored) Type() Type { return "lowcap.trim_pool.restored.v1" }

// AppendJSON implements Data.
func (e *TrimPoolRestored) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.restored(&e.Restored)
	o.number("usd_basis", e.USDBasis)
	o.number("dx_count", e.DXCount)
	o.number("dx_last_price", e.DXLastPrice)
	o.number("dx_next_arm", e.DXNextArm)
	return o.common(&e.Common)
}

func (o *object) recovery(e *Recovery) {
	o.number("dx_count", e.DXCount)
	o.number("dx_last_price", e.DXLastPrice)
	o.number("dx_next_arm", e.DXNextArm)
	o.number("usd_basis", e.USDBasis)
}

func (o *object) reverted(e *Reverted) {
	o.string("key", e.Key)
	o.raw("reverted_to", e.RevertedTo)
	o.raw("reverted_from", e.RevertedFrom)
	o.number("alive_for_seconds", e.AliveForSeconds)
}

func (o *object) restored(e *Restored) {
	o.string("key", e.Key)
	o.string("first_event_id", e.FirstEventID)
}
