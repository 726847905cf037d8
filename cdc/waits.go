package cdc

import (
	"encoding/binary"
	"slices"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// waits is what an image keeps of a position so that it can be told what did not happen, and what is one alarm. Of most
// positions there is nothing.
type waits struct {
	exit       wantedExit
	ended      endedExit
	buys       unrecorded
	sells      unrecorded
	trade      tradeBuys
	losses     []loss        // oldest first; may be shared with the image before, so it is never written to
	lastNotSet decode.Micros // commit time of the last entry_block.not_set
	unset      loss          // the last ended trade whose block was not set, told or not; at is 0 when there is none
	record     lastRecord
	alarm      lastAlarm
}

// wantedExit is an exit that is wanted of a position that is held.
type wantedExit struct {
	since  decode.Micros // commit time of the change that made both true; 0 when they are not
	from   decode.Micros // what the ten minutes are counted from
	next   decode.Micros // when the next reminder is due; 0 before the first event
	told   uint32        // events so far
	event  place         // the first event
	flag   wish          // as it was at since
	price  []byte        // the engine's, as last received; a JSON number
	reason []byte        // the engine's, as last received
}

// endedExit is an exit that was told as pending and whose tokens are gone: a sell may still be recorded.
type endedExit struct {
	at       decode.Micros // commit time of the change that left nothing; 0 when no exit waits
	since    decode.Micros // since when it was wanted
	event    place         // the first event
	quantity []byte        // as last held
}

// unrecorded is a growth of the books that no record covers yet.
type unrecorded struct {
	since  decode.Micros // commit time of its first change; 0 when all is covered
	tokens []byte        // by how much the sum of tokens grew
	usd    []byte        // and that of USD; nil when it is unknown
}

// tradeBuys is what was bought in the open trade.
type tradeBuys struct {
	s1, s2 bool          // whether it bought there
	first  decode.Micros // embedded timestamp of the first buy; 0 when there was none
}

// loss is a trade that ended with a loss, so that its token must be blocked.
type loss struct {
	at         decode.Micros // commit time of its end
	buys       tradeBuys
	trade, pnl []byte
}

// lastRecord is the last change that recorded a buy, a sell or an exit.
type lastRecord struct {
	at     decode.Micros // its commit time; 0 when there was none
	before jsonb.Digest  // of the history before it
}

// lastAlarm is the last emergency_exit.executed or .triggered that may be one alarm with the other.
type lastAlarm struct {
	at    decode.Micros // commit time; 0 when there is none
	exit  bool          // triggered, else executed
	event place
}

// clockSlack is how far commits that come one behind the other may be apart in the wrong order, as several processes read the clock.
const clockSlack = 60 * second

// rebase makes what began in a time that is yet to come begin now: a clock that was set back must keep nobody waiting for as long.
func (w *waits) rebase(now decode.Micros) {
	for _, at := range [...]*decode.Micros{&w.exit.from, &w.ended.at, &w.buys.since, &w.sells.since} {
		if *at > now+clockSlack {
			*at = now
		}
	}
	w.exit.next = min(w.exit.next, now+reminderEvery+clockSlack)
	for i := range w.losses {
		if w.losses[i].at > now+clockSlack {
			w.losses = slices.Clone(w.losses)
			w.losses[i].at = now
		}
	}
}

// The bits that say which waits an image holds.
const (
	hasExit = 1 << iota
	hasEnded
	hasBuys
	hasSells
	hasTrade
	hasLosses
	hasLastNotSet
	hasRecord
	hasAlarm
	hasUnset
)

func (w *waits) held() (bits uint64) {
	for bit, present := range [...]bool{w.exit.since != 0, w.ended.at != 0, w.buys.since != 0, w.sells.since != 0,
		w.trade != tradeBuys{}, len(w.losses) > 0, w.lastNotSet != 0, w.record.at != 0, w.alarm.at != 0,
		w.unset.at != 0} {
		if present {
			bits |= 1 << bit
		}
	}
	return bits
}

// appendTo appends which waits there are, and those.
func (w *waits) appendTo(dst []byte) []byte {
	held := w.held()
	if dst = binary.AppendUvarint(dst, held); held == 0 {
		return dst
	}
	for bit, appendPart := range [...]func([]byte) []byte{w.exit.appendTo, w.ended.appendTo, w.buys.appendTo, w.sells.appendTo,
		w.trade.appendTo, w.appendLosses, func(dst []byte) []byte { return appendInstant(dst, w.lastNotSet) }, w.record.appendTo,
		w.alarm.appendTo, w.unset.appendTo} {
		if held&(1<<bit) != 0 {
			dst = appendPart(dst)
		}
	}
	return dst
}

func (w *waits) read(r *reader) {
	*w = waits{}
	held := r.uvarint()
	if held == 0 {
		return
	}
	// Called by their names: a reader that goes to a variable costs an allocation for each row.
	for bit := uint64(hasExit); bit <= hasUnset; bit <<= 1 {
		switch held & bit {
		case hasExit:
			w.exit.read(r)
		case hasEnded:
			w.ended.read(r)
		case hasBuys:
			w.buys.read(r)
		case hasSells:
			w.sells.read(r)
		case hasTrade:
			w.trade.read(r)
		case hasLosses:
			w.readLosses(r)
		case hasLastNotSet:
			w.lastNotSet = r.instant()
		case hasRecord:
			w.record.read(r)
		case hasAlarm:
			w.alarm.read(r)
		case hasUnset:
			w.unset.read(r)
		}
	}
	if held >= hasUnset<<1 {
		r.fail(errNewer)
	}
}

func (e *wantedExit) appendTo(dst []byte) []byte {
	dst = appendInstant(appendInstant(append(dst, byte(e.flag)), e.since), e.from)
	dst = appendOptional(appendOptional(dst, e.price), e.reason)
	dst = binary.AppendUvarint(dst, uint64(e.told))
	if e.told == 0 {
		return dst
	}
	return appendPlace(appendInstant(dst, e.next), e.event)
}

func (e *wantedExit) read(r *reader) {
	e.flag, e.since, e.from = wish(r.byte()), r.instant(), r.instant()
	e.price, e.reason = r.optional(), r.optional()
	if e.told = uint32(r.uvarint()); e.told > 0 {
		e.next, e.event = r.instant(), r.place()
	}
}

func (e *endedExit) appendTo(dst []byte) []byte {
	return appendOptional(appendPlace(appendInstant(appendInstant(dst, e.at), e.since), e.event), e.quantity)
}

func (e *endedExit) read(r *reader) {
	e.at, e.since, e.event, e.quantity = r.instant(), r.instant(), r.place(), r.optional()
}

func (u *unrecorded) appendTo(dst []byte) []byte {
	return appendOptional(appendOptional(appendInstant(dst, u.since), u.tokens), u.usd)
}

func (u *unrecorded) read(r *reader) {
	u.since, u.tokens, u.usd = r.instant(), r.optional(), r.optional()
}

func (t *tradeBuys) appendTo(dst []byte) []byte {
	return appendInstant(appendBits(dst, t.s1, t.s2), t.first)
}

func (t *tradeBuys) read(r *reader) {
	bits := r.byte()
	t.s1, t.s2, t.first = bits&1 != 0, bits&2 != 0, r.instant()
}

// stages names the stages in which it bought and whose block a loss sets.
func (t *tradeBuys) stages() []schemas.Stage { return stagesOf(t.s1, t.s2) }

func (w *waits) appendLosses(dst []byte) []byte {
	dst = append(dst, byte(len(w.losses)))
	for i := range w.losses {
		dst = w.losses[i].appendTo(dst)
	}
	return dst
}

func (w *waits) readLosses(r *reader) {
	for n := r.byte(); n > 0 && r.err == nil; n-- {
		var l loss
		l.read(r)
		w.losses = append(w.losses, l)
	}
}

func (l *loss) appendTo(dst []byte) []byte {
	return appendOptional(appendOptional(l.buys.appendTo(appendInstant(dst, l.at)), l.trade), l.pnl)
}

func (l *loss) read(r *reader) {
	l.at = r.instant()
	l.buys.read(r)
	l.trade, l.pnl = r.optional(), r.optional()
}

func (l *lastRecord) appendTo(dst []byte) []byte {
	return append(appendInstant(dst, l.at), l.before[:]...)
}
func (l *lastRecord) read(r *reader) { l.at, l.before = r.instant(), r.digest() }

func (l *lastAlarm) appendTo(dst []byte) []byte {
	return appendPlace(appendBits(appendInstant(dst, l.at), l.exit), l.event)
}

func (l *lastAlarm) read(r *reader) { l.at, l.exit, l.event = r.instant(), r.byte() == 1, r.place() }
