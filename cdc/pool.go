package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/schemas"
)

// poolStep is what a pool did. Its life is
//
//	empty -sell-> open -sell-> open with more     open -DX buy-> recovering -DX buy-> recovering -third DX buy-> empty
//	recovering -sell-> replaced by a new open one     open -S2 buy-> empty
type poolStep uint8

const (
	noStep poolStep = iota
	poolOpened
	poolIncreased
	poolRecoveryStarted
	poolBought
	poolReplaced
	poolClosed
	poolAdjusted
)

func (v *value) isRecovering() bool { return !v.empty && v.isTrue("recovery_started") }

func (v *value) isOpen() bool {
	return !v.empty && !v.isTrue("recovery_started") && v.decimalOf("dx_count").Sign() == 0
}

// poolGrowth returns by how much the basis grew.
func (j *judged) poolGrowth() jsonb.Decimal {
	return j.after.decimalOf("usd_basis").Minus(j.before.decimalOf("usd_basis"))
}

// judgePool judges the pool, which has no timestamp, by the company it moved in.
func (h *history) judgePool() {
	j := &h.keys[trimPool]
	if j.verdict == broken || j.before.same(&j.after) {
		return
	}
	if h.sold() || h.isNew(lastS2Buy) || h.isNew(lastS3Buy) {
		j.verdict, h.step = poolMoved, h.companionStep(j)
		return
	}
	known := h.image.keys[trimPool].find(j.after.sum())
	switch {
	case j.after.raw == nil, h.wentBack(lastTrim), h.wentBack(lastS2Buy), h.wentBack(lastS3Buy):
		j.verdict, j.unseen = reverted, known == nil && !j.after.empty
	case known != nil && known.revertedFrom:
		j.verdict = restored
	case known != nil:
		j.verdict = reverted
	default:
		j.verdict, h.step = poolMoved, loneStep(j)
	}
}

// sold reports whether the change recorded a sell, or made an exit of one.
func (h *history) sold() bool { return h.isNew(lastTrim) || h.keys[lastTrim].verdict == becameExit }

func (h *history) isNew(k key) bool    { return h.keys[k].verdict == recorded }
func (h *history) wentBack(k key) bool { return h.keys[k].verdict == reverted }

// companionStep finds the step that an execution recorded in the same change explains.
func (h *history) companionStep(j *judged) poolStep {
	grew := j.poolGrowth().Sign() > 0
	if h.sold() && j.after.isOpen() {
		switch {
		case j.before.empty:
			return poolOpened
		case j.before.isRecovering():
			return poolReplaced
		case j.before.isOpen() && grew:
			return poolIncreased
		}
	}
	if (h.isNew(lastS2Buy) || h.isNew(lastS3Buy)) && j.after.empty {
		return poolClosed
	}
	if h.isNew(lastS3Buy) {
		return recoveryStep(j)
	}
	return poolAdjusted
}

// loneStep finds the step of a pool that moved without an execution: a hand edit, or a harness.
func loneStep(j *judged) poolStep {
	switch {
	case j.after.empty:
		return poolClosed
	case j.before.empty:
		return poolOpened
	}
	return recoveryStep(j)
}

func recoveryStep(j *judged) poolStep {
	bought := j.after.decimalOf("dx_count").Compare(j.before.decimalOf("dx_count")) > 0
	switch {
	case !j.after.isRecovering() || !bought || j.poolGrowth().Sign() != 0:
		return poolAdjusted
	case j.before.isOpen():
		return poolRecoveryStarted
	case j.before.isRecovering():
		return poolBought
	}
	return poolAdjusted
}

// cause names the sell that fed the pool.
func (h *history) cause() string {
	if !h.sold() {
		return "unknown"
	}
	if h.keys[lastTrim].after.isExit() {
		return "emergency_exit"
	}
	return "trim"
}

// pool reports the pool's step.
func (h *history) pool() {
	j := &h.keys[trimPool]
	if j.verdict != poolMoved {
		return
	}
	h.mark(j.after.isDefaulted(), schemas.FieldsDefaulted)
	at := h.place()
	switch h.step {
	case poolOpened:
		h.emitPool(j, &schemas.TrimPoolOpened{USDBasis: j.basis(), AddedUSD: h.added(j), Cause: h.cause(), DeltaUSD: j.delta()})
	case poolIncreased:
		h.emitPool(j, &schemas.TrimPoolIncreased{USDBasis: j.basis(), AddedUSD: h.added(j), Cause: h.cause(), DeltaUSD: j.delta()})
	case poolRecoveryStarted:
		h.mark(!j.after.has("dx_next_arm"), schemas.DXArmMissing)
		h.emitPool(j, &schemas.TrimPoolRecoveryStarted{Recovery: j.recovery(), DeltaUSD: j.delta()})
		h.bought(j)
	case poolBought:
		h.bought(j)
	case poolReplaced:
		h.emitPool(j, &schemas.TrimPoolReplaced{OldBasis: j.before.number("usd_basis"), NewBasis: j.basis(), Cause: h.cause(),
			DeltaUSD: j.delta()})
	case poolClosed:
		h.closed(j)
	default:
		grew := j.poolGrowth().Sign() > 0
		h.mark(grew && !h.sold() && (h.isNew(lastS2Buy) || h.isNew(lastS3Buy)), schemas.PoolWithoutSell)
		h.emitPool(j, h.adjusted(j))
	}
	h.remember(j, at)
}

// delta returns by how much the USD in the pool grew.
func (j *judged) delta() schemas.Number { return derived(j.poolGrowth()) }

// adjusted returns what changed in a pool, field by field.
func (h *history) adjusted(j *judged) *schemas.TrimPoolAdjusted {
	data := &schemas.TrimPoolAdjusted{DeltaUSD: j.delta()}
	changed := changedFields(&j.before, &j.after)
	changed = changed[:min(len(changed), maxNames+1)] // names says that there are more
	data.From, data.To = h.bound(j.before.only(changed)), h.bound(j.after.only(changed))
	data.Changed = h.names(changed)
	return data
}

// emitPool emits an event of the pool. The pool has no timestamp; that of the execution that moved it is its own.
func (h *history) emitPool(j *judged, data schemas.Data) place {
	when := atCommit
	for _, k := range []key{lastTrim, lastS2Buy, lastS3Buy} {
		if h.isNew(k) || (k == lastTrim && h.sold()) {
			when = h.keys[k].when()
			when.naive = false
			break
		}
	}
	return h.emit(data, j.before.raw, j.after.raw, when)
}

func (h *history) bought(j *judged) {
	h.mark(!j.after.has("dx_next_arm"), schemas.DXArmMissing)
	h.mark(j.dxSteps().Compare(jsonb.One) > 0, schemas.SkippedSteps)
	h.emitPool(j, &schemas.TrimPoolDXBought{Recovery: j.recovery(), DeltaUSD: j.delta()})
}

func (h *history) closed(j *judged) {
	reason := "unknown"
	switch {
	case h.isNew(lastS2Buy) && h.fresh:
		reason = "s2_entry_new_trade"
	case h.isNew(lastS2Buy):
		reason = "s2_dip_buy"
	case h.isNew(lastS3Buy):
		reason = "dx_ladder_complete"
	}
	h.emitPool(j, &schemas.TrimPoolClosed{ClosedBasis: j.before.number("usd_basis"), Reason: reason, DeltaUSD: j.delta()})
}

// derived prints a computed number, null when it has more digits than an event may carry.
func derived(d jsonb.Decimal) schemas.Number {
	var room [64]byte
	return numberOf(d.Append(room[:0]))
}

func (j *judged) dxSteps() jsonb.Decimal {
	return j.after.decimalOf("dx_count").Minus(j.before.decimalOf("dx_count"))
}

// basis returns the basis after the change, 0 where it is left out, null where it cannot be read.
func (j *judged) basis() schemas.Number {
	if n := j.after.number("usd_basis"); n != "" || j.after.isUnread("usd_basis") {
		return n
	}
	return "0"
}

// added returns what came into the pool, with the digits received when nothing was in it.
func (h *history) added(j *judged) schemas.Number {
	if j.before.empty || j.after.isUnread("usd_basis") {
		return j.basis()
	}
	return derived(j.poolGrowth())
}

func (j *judged) recovery() schemas.Recovery {
	return schemas.Recovery{DXCount: j.after.number("dx_count"), DXLastPrice: j.after.number("dx_last_price"),
		DXNextArm: j.after.number("dx_next_arm"), USDBasis: j.basis()}
}

// isDefaulted reports whether the pool leaves counters out that the writer then reads as zero.
func (v *value) isDefaulted() bool {
	if v.raw == nil || v.empty {
		return false
	}
	return !v.has("usd_basis") || !v.has("recovery_started") || !v.has("dx_count")
}
