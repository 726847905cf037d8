package cdc

import (
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

const (
	// oneAlarm is how far apart an exit's sell and its record may be told and still be one alarm.
	oneAlarm = 60 * second
	// sameTick is how long after it recorded something the source's tick may write its older copy over it.
	sameTick = 30 * second
)

// firstAlarm returns the event that the one to come is one alarm with, nil for none. The sell of an exit and the exit's
// record are two events of one exit.
func (h *history) firstAlarm(exit bool) schemas.Text {
	last := &h.image.waits.alarm
	passed := h.tx.CommitTime - last.at
	if last.at == 0 || last.exit == exit || max(passed, -passed) > oneAlarm { // a clock that was set back makes no alarm of two
		return nil
	}
	id := h.idOf(last.event)
	return &id
}

// emitAlarm emits an exit's sell or its record. The second of the two wakes no one.
func (h *history) emitAlarm(j *judged, data schemas.Data, exit bool) place {
	second := h.firstAlarm(exit) != nil
	if second {
		h.severity = schemas.Info
	}
	at := h.emitKey(j, data)
	if h.image.waits.alarm = (lastAlarm{at: h.tx.CommitTime, exit: exit, event: at}); second {
		h.image.waits.alarm = lastAlarm{} // both were told: the next is another exit
	}
	return at
}

// noteRecord notes a change that recorded something: the tick that made it may write its older copy of the history over it.
func (h *history) noteRecord() {
	if !h.executed() && !h.isNew(lastExit) && !h.isNew(lastExitGuard) {
		return
	}
	h.image.waits.record = lastRecord{at: h.tx.CommitTime, before: historyDigest(h.was.history)}
}

// isSameTick reports whether the tick that recorded a key's value took it back: soon after, the history is what it was
// before the record, or the tick's own trim signal comes with it.
func (h *history) isSameTick(m *memory) bool {
	last := &h.was.waits.record
	if last.at == 0 || !h.isWithin(last.at, sameTick) {
		return false
	}
	return historyDigest(h.after) == last.before || (h.isNew(lastTrimSignal) && m.since != 0 && h.isWithin(m.since, sameTick))
}

func (h *history) isWithin(since, span decode.Micros) bool {
	return h.tx.CommitTime >= since && h.tx.CommitTime-since <= span
}
