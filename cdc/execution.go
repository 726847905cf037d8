package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

const reclaimSignal = "reclaimed_ema333"

func (h *history) emitKey(j *judged, data schemas.Data) place {
	return h.emit(data, j.before.raw, j.after.raw, j.when())
}

func (h *history) markPrice(v *value) {
	h.mark(!v.has("price"), schemas.PriceAbsent)
	h.mark(v.has("price") && v.decimalOf("price").Sign() == 0, schemas.PriceZero)
}

func (h *history) buy(j *judged) {
	signal := h.text(&j.after, "signal")
	h.markPrice(&j.after)
	slot := [...]string{lastS1Buy: "s1", lastS2Buy: "s2", lastS3Buy: "s3", lastReclaimBuy: "reclaim"}[j.key]
	h.remember(j, h.emitKey(j, &schemas.ExecutionBuyRecorded{
		Slot:      slot,
		IsReclaim: j.key == lastReclaimBuy || (signal != nil && *signal == reclaimSignal),
		Price:     j.after.number("price"),
		SizeFrac:  j.after.number("size_frac"),
		Signal:    signal,
		Stage:     h.text(&j.after, "state"),
	}))
}

// sell reports a sell: an emergency exit when its signal says so, also when it first says so in a later change, else a
// trim.
func (h *history) sell(j *judged) {
	signal := h.text(&j.after, "signal")
	proceeds := h.proceeds()
	h.mark(j.verdict == becameExit, schemas.Amended)
	h.markPrice(&j.after)
	h.mark(signal != nil && *signal == "trim_flag" && !j.after.has("sr_level_price"), schemas.SRLevelPriceAbsent)
	// Without a signal the record does not say that anything was sold, so an unmoved pool is nothing unusual.
	h.mark(j.verdict == recorded && signal != nil && proceeds == "" && !h.isPoolUnread(), schemas.NoPoolChange)
	price, size := j.after.number("price"), j.after.number("size_frac")
	remaining := numberOf(h.image.column(decode.TotalQuantity))
	if kind, exit := exitKind(j.after.get("signal")); exit {
		h.mark(isHeld(h.was, h.image), schemas.TokensLeft)
		data := &schemas.EmergencyExitExecuted{Kind: kind, Signal: signal, ExitReason: h.exitReason(),
			Price: price, SizeFrac: size, ProceedsUSD: proceeds, RemainingQuantity: remaining, FirstEventID: h.firstAlarm(false)}
		h.remember(j, h.emitAlarm(j, data, false))
		return
	}
	h.remember(j, h.emitKey(j, &schemas.ExecutionTrimRecorded{Price: price, SizeFrac: size, Signal: signal,
		SRLevelPrice: j.after.number("sr_level_price"), ProceedsUSD: proceeds, RemainingQuantity: remaining}))
}

// proceeds returns what the sell of this change brought into the pool, null when the pool did not grow.
func (h *history) proceeds() schemas.Number {
	j := &h.keys[trimPool]
	switch {
	case h.isPoolUnread():
		return ""
	case h.step == poolReplaced:
		return j.basis()
	case j.verdict == poolMoved && j.poolGrowth().Sign() > 0:
		return h.added(j)
	}
	return ""
}

// isPoolUnread reports whether the row does not say how much is in the pool.
func (h *history) isPoolUnread() bool {
	j := &h.keys[trimPool]
	if j.untouched {
		return h.image.keys[trimPool].isBad
	}
	return j.verdict == broken || j.after.isUnread("usd_basis")
}

// exitReason returns the engine's own reason, which stands beside the history in the same row.
func (h *history) exitReason() schemas.Text {
	if !h.engine.IsObject() {
		return nil
	}
	return h.textOf(jsonb.Lookup(h.engine, "exit_reason"))
}

func (h *history) trimSignal(j *judged) {
	h.remember(j, h.emitKey(j, &schemas.ExecutionTrimSignaled{SRLevelPrice: j.after.number("sr_level_price")}))
}

func (h *history) amend(j *judged) {
	h.remember(j, h.emitKey(j, &schemas.ExecutionAmended{Key: j.key.String(), Changed: h.names(changedFields(&j.before, &j.after))}))
}

// usedRebuy reports whether the change used up the rebuy of an exit.
func (j *judged) usedRebuy() bool {
	return !j.before.isTrue("rebuy_used") && j.after.isTrue("rebuy_used")
}

// amendExit reports what else changed in an exit record: that the rebuy was used has an event of its own.
func (h *history) amendExit(j *judged) {
	changed := []string{}
	for _, name := range changedFields(&j.before, &j.after) {
		if name != "rebuy_used" || !j.usedRebuy() {
			changed = append(changed, name)
		}
	}
	if len(changed) > 0 {
		h.remember(j, h.emitKey(j, &schemas.ExecutionAmended{Key: j.key.String(), Changed: h.names(changed)}))
	}
}

func (h *history) rebuyUsed(j *judged) {
	if j.usedRebuy() {
		h.remember(j, h.emitKey(j, &schemas.EmergencyExitRebuyUsed{ExitTimestamp: string(j.after.get(jsonb.TimestampField).Unquoted())}))
	}
}

func (h *history) exit(j *judged) {
	data := &schemas.EmergencyExitTriggered{
		ExitValueUSD: j.after.number("exit_value_usd"),
		RebuyUsed:    j.after.boolean("rebuy_used"),
		Retrigger:    !j.before.empty,
		FirstEventID: h.firstAlarm(true),
	}
	h.exitAt = h.emitAlarm(j, data, true)
	h.remember(j, h.exitAt)
}

// guard reports a guard stamp that moved alone. Beside a new exit record it is the same fact, stamped microseconds
// apart: the record's event is the one that reported it.
func (h *history) guard(j *judged) {
	if h.isNew(lastExit) {
		h.remember(j, h.exitAt)
		return
	}
	h.remember(j, h.emitKey(j, &schemas.EmergencyExitGuardStamped{GuardTS: string(j.after.raw.Unquoted())}))
}

func (h *history) prevState() {
	j := &h.keys[prevState]
	if j.verdict == same || j.verdict == broken {
		return
	}
	h.emit(&schemas.HistoryPrevStateChanged{From: h.textOf(j.before.raw), To: h.textOf(j.after.raw)}, j.before.raw, j.after.raw, atCommit)
}

func (h *history) buyback(j *judged) {
	h.mark(j.leftover, schemas.MaybeLeftover)
	trade := h.ended
	if trade == nil {
		trade = h.image.column(decode.CurrentTradeID)
	}
	h.remember(j, h.emitKey(j, &schemas.BuybackRecorded{Skipped: j.after.get("skipped").IsTrue(), ProfitUSD: j.after.number("profit_usd"),
		TradeID: textOf(trade)}))
}

// revert reports that a key vanished or went back.
func (h *history) revert(j *judged) {
	m := &h.image.keys[j.key]
	if known := m.find(j.before.sum()); known != nil {
		known.revertedFrom = true
	}
	h.mark(j.unseen, schemas.UnseenValue)
	own := schemas.Reverted{Key: j.key.String(), RevertedTo: h.bound(j.after.raw), RevertedFrom: h.bound(j.before.raw)}
	if m.since != 0 {
		own.AliveForSeconds = jsonb.Seconds(m.since, h.tx.CommitTime)
	}
	if own.Cause = "later_write"; h.isSameTick(m) {
		own.Cause, h.severity = "same_tick", schemas.Info
	}
	var data schemas.Data
	switch {
	case j.key == trimPool:
		data = &schemas.TrimPoolReverted{Reverted: own, DeltaUSD: j.delta()}
	case h.isExitKey(j.key):
		data = &schemas.EmergencyExitReverted{Reverted: own}
	default:
		data = &schemas.ExecutionReverted{Reverted: own}
	}
	h.remember(j, h.emitKey(j, data))
}

// restore reports that a value reported before came back.
func (h *history) restore(j *judged) {
	own := schemas.Restored{Key: j.key.String()}
	if known := h.image.keys[j.key].find(j.after.sum()); known != nil {
		own.FirstEventID = h.idOf(known.first)
	}
	v := &j.after
	switch {
	case j.key == trimPool:
		h.mark(v.isDefaulted(), schemas.FieldsDefaulted)
		h.emitPool(j, &schemas.TrimPoolRestored{Restored: own, USDBasis: v.number("usd_basis"), DXCount: v.number("dx_count"),
			DXLastPrice: v.number("dx_last_price"), DXNextArm: v.number("dx_next_arm"), DeltaUSD: j.delta()})
	case h.isExitKey(j.key):
		h.emitKey(j, h.restoredExit(j.key, own, v))
	default:
		h.emitKey(j, &schemas.ExecutionRestored{Restored: own, Price: v.number("price"), SizeFrac: v.number("size_frac"),
			Signal: h.text(v, "signal"), SRLevelPrice: v.number("sr_level_price")})
	}
}

func (h *history) restoredExit(k key, own schemas.Restored, v *value) schemas.Data {
	data := &schemas.EmergencyExitRestored{Restored: own}
	switch k {
	case lastExitGuard:
		data.GuardTS = v.raw.TextOrNull()
	case lastExit:
		data.ExitValueUSD, data.RebuyUsed = v.number("exit_value_usd"), v.boolean("rebuy_used")
	default:
		data.Signal, data.Price, data.SizeFrac = h.text(v, "signal"), v.number("price"), v.number("size_frac")
	}
	return data
}
