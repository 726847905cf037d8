package schemas

// Type returns lowcap.execution.buy_recorded.v1.
func (*ExecutionBuyRecorded) Type() Type { return "lowcap.execution.buy_recorded.v1" }

// AppendJSON implements Data.
func (e *ExecutionBuyRecorded) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("slot", e.Slot)
	o.bool("is_reclaim", e.IsReclaim)
	o.number("price", e.Price)
	o.number("size_frac", e.SizeFrac)
	o.text("signal", e.Signal)
	o.text("stage", e.Stage)
	return o.common(&e.Common)
}

// Type returns lowcap.execution.trim_recorded.v1.
func (*ExecutionTrimRecorded) Type() Type { return "lowcap.execution.trim_recorded.v1" }

// AppendJSON implements Data.
func (e *ExecutionTrimRecorded) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.number("price", e.Price)
	o.number("size_frac", e.SizeFrac)
	o.text("signal", e.Signal)
	o.number("sr_level_price", e.SRLevelPrice)
	o.number("proceeds_usd", e.ProceedsUSD)
	return o.common(&e.Common)
}

// Type returns lowcap.execution.trim_signaled.v1.
func (*ExecutionTrimSignaled) Type() Type { return "lowcap.execution.trim_signaled.v1" }

// AppendJSON implements Data.
func (e *ExecutionTrimSignaled) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.number("sr_level_price", e.SRLevelPrice)
	return o.common(&e.Common)
}

// Type returns lowcap.execution.amended.v1.
func (*ExecutionAmended) Type() Type { return "lowcap.execution.amended.v1" }

// AppendJSON implements Data.
func (e *ExecutionAmended) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("key", e.Key)
	o.strings("changed", e.Changed)
	return o.common(&e.Common)
}

// Type returns lowcap.execution.reverted.v1.
func (*ExecutionReverted) Type() Type { return "lowcap.execution.reverted.v1" }

// AppendJSON implements Data.
func (e *ExecutionReverted) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.reverted(&e.Reverted)
	return o.common(&e.Common)
}

// Type returns lowcap.execution.restored.v1.
func (*ExecutionRestored) Type() Type { return "lowcap.execution.restored.v1" }

// AppendJSON implements Data.
func (e *ExecutionRestored) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.restored(&e.Restored)
	o.number("price", e.Price)
	o.number("size_frac", e.SizeFrac)
	o.text("signal", e.Signal)
	o.number("sr_level_price", e.SRLevelPrice)
	return o.common(&e.Common)
}

// Type returns lowcap.buyback.recorded.v1.
func (*BuybackRecorded) Type() Type { return "lowcap.buyback.recorded.v1" }

// AppendJSON implements Data.
func (e *BuybackRecorded) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.bool("skipped", e.Skipped)
	o.number("profit_usd", e.ProfitUSD)
	return o.common(&e.Common)
}

// Type returns lowcap.history.prev_state_changed.v1.
func (*HistoryPrevStateChanged) Type() Type { return "lowcap.history.prev_state_changed.v1" }

// AppendJSON implements Data.
func (e *HistoryPrevStateChanged) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.text("from", e.From)
	o.text("to", e.To)
	return o.common(&e.Common)
}

// Type returns lowcap.history.malformed.v1.
func (*HistoryMalformed) Type() Type { return "lowcap.history.malformed.v1" }

// AppendJSON implements Data.
func (e *HistoryMalformed) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("path", e.Path)
	o.raw("raw", e.Raw)
	o.string("why", e.Why)
	return o.common(&e.Common)
}

// Type returns lowcap.history.unknown_key.v1.
func (*HistoryUnknownKey) Type() Type { return "lowcap.history.unknown_key.v1" }

// AppendJSON implements Data.
func (e *HistoryUnknownKey) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("key", e.Key)
	o.raw("raw", e.Raw)
	return o.common(&e.Common)
}
