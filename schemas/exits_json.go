package schemas

// Type returns lowcap.emergency_exit.executed.v1.
func (*EmergencyExitExecuted) Type() Type { return "lowcap.emergency_exit.executed.v1" }

// AppendJSON implements Data.
func (e *EmergencyExitExecuted) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("kind", e.Kind)
	o.text("signal", e.Signal)
	o.text("exit_reason", e.ExitReason)
	o.number("price", e.Price)
	o.number("size_frac", e.SizeFrac)
	o.number("proceeds_usd", e.ProceedsUSD)
	return o.common(&e.Common)
}

// Type returns lowcap.emergency_exit.triggered.v1.
func (*EmergencyExitTriggered) Type() Type { return "lowcap.emergency_exit.triggered.v1" }

// AppendJSON implements Data.
func (e *EmergencyExitTriggered) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.number("exit_value_usd", e.ExitValueUSD)
	o.bool("rebuy_used", e.RebuyUsed)
	o.bool("retrigger", e.Retrigger)
	return o.common(&e.Common)
}

// Type returns lowcap.emergency_exit.rebuy_used.v1.
func (*EmergencyExitRebuyUsed) Type() Type { return "lowcap.emergency_exit.rebuy_used.v1" }

// AppendJSON implements Data.
func (e *EmergencyExitRebuyUsed) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("exit_timestamp", e.ExitTimestamp)
	return o.common(&e.Common)
}

// Type returns lowcap.emergency_exit.guard_stamped.v1.
func (*EmergencyExitGuardStamped) Type() Type { return "lowcap.emergency_exit.guard_stamped.v1" }

// AppendJSON implements Data.
func (e *EmergencyExitGuardStamped) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("guard_ts", e.GuardTS)
	return o.common(&e.Common)
}

// Type returns lowcap.emergency_exit.reverted.v1.
func (*EmergencyExitReverted) Type() Type { return "lowcap.emergency_exit.reverted.v1" }

// AppendJSON implements Data.
func (e *EmergencyExitReverted) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.reverted(&e.Reverted)
	return o.common(&e.Common)
}

// Type returns lowcap.emergency_exit.restored.v1.
func (*EmergencyExitRestored) Type() Type { return "lowcap.emergency_exit.restored.v1" }

// AppendJSON implements Data.
func (e *EmergencyExitRestored) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.restored(&e.Restored)
	o.number("exit_value_usd", e.ExitValueUSD)
	o.maybe("rebuy_used", e.RebuyUsed)
	o.text("signal", e.Signal)
	o.number("price", e.Price)
	o.number("size_frac", e.SizeFrac)
	o.text("guard_ts", e.GuardTS)
	return o.common(&e.Common)
}
