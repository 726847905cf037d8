package cdc

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// history is the comparison of two documents of one position.
type history struct {
	change
	values  valueParser
	image   *positionImage // after the change; its memories are updated while events are emitted
	was     *positionImage // before it
	engine  jsonb.Text     // uptrend_engine_v4 of the same row
	fresh   bool           // the position was flat before this change
	after   []byte         // the document after the change
	ended   []byte         // the trade that ended in this change, nil when none did
	opened  []byte         // and the one that was opened
	keys    [keyCount]judged
	exitAt  place    // of the event that reports a new exit record
	step    poolStep // what the pool did when it was neither reverted nor restored
	unknown unknownKeys
}

// beginHistory returns the comparison of a change, in memory that the next one takes over.
func (m *machine) beginHistory(c change, image *positionImage) *history {
	h := &m.history
	c.marks = h.marks[:0]
	*h = history{change: c, values: h.values, image: image}
	return h
}

// knownKeys returns the raw values of a history document's known keys, nil for null. Of a key that is there twice, which only
// a double-encoded document can have, the last value counts.
func knownKeys(document []byte) [keyCount][]byte {
	known, _ := readKeys(document)
	return known
}

// readKeys is knownKeys, and also says whether the document may have others.
func readKeys(document []byte) (known [keyCount][]byte, others bool) {
	for m := decode.MembersOf(document); m.Next(); {
		raw := m.Value()
		isNull := jsonb.Text(raw).IsNull()
		if k, ok := keyNamed(m.Name); !ok {
			others = others || !isNull
		} else if known[k] = raw; isNull {
			known[k] = nil
		}
	}
	return known, others
}

// judge compares two documents key by key. It changes nothing.
func (h *history) judge(before, after []byte) {
	h.values.reset()
	was, hadOthers := readKeys(before)
	is, hasOthers := readKeys(after)
	for k := range keyCount {
		h.keys[k] = h.judgeKey(k, was[k], is[k])
	}
	h.judgePool()
	h.judgeBuyback()
	h.after = after
	if hadOthers || hasOthers {
		h.unknown = compareUnknown(before, after)
	}
}

// judgeKey compares a key's value, given as the two documents have it, with what it was when it was last well-formed.
func (h *history) judgeKey(k key, was, is []byte) judged {
	if bytes.Equal(was, is) && (was == nil) == (is == nil) {
		return judged{key: k, untouched: true} // most keys, most of the time
	}
	m, j := &h.image.keys[k], judged{key: k}
	good := was
	if m.isBad {
		good = m.good
	}
	j.before, _ = h.values.read(k, good)
	j.after, j.why = h.values.read(k, is)
	if j.why != nil {
		j.verdict, j.after = broken, j.before
		return j
	}
	j.after.carry(&j.before)
	j.parts = h.newParts(&j.after, was)
	switch {
	case k == prevState, k == lotusBuyback:
		judgeUndated(&j, m)
	case k != trimPool:
		judgeTimed(&j, m, h.marksOf(&j, m))
	}
	return j
}

// newParts returns the malformed fields of a value that the value before it did not have, byte for byte.
func (h *history) newParts(v *value, was []byte) []malformed {
	if len(v.parts) == 0 {
		return nil
	}
	before, _ := h.values.read(v.key, was)
	return slices.DeleteFunc(slices.Clone(v.parts), func(p malformed) bool {
		at, there := slices.BinarySearchFunc(before.parts, p.path, func(old malformed, path string) int {
			return strings.Compare(old.path, path)
		})
		return there && bytes.Equal(before.parts[at].raw, p.raw)
	})
}

// marksOf returns what a timestamp is measured against. An image of an older version may hold a mark from the future:
// what stood in the row is all that then is known.
func (h *history) marksOf(j *judged, m *memory) marks {
	at := marks{m.newest, m.dated, m.ahead}
	if m.dated && h.isFuture(m.newest) {
		at = marks{j.before.at, !j.before.empty && !h.isFuture(j.before.at), m.newest}
	}
	return at
}

// isFuture reports whether a timestamp is too far behind the commit to be believed.
func (e *emitter) isFuture(at decode.Micros) bool { return at > e.tx.CommitTime+futureAfter }

// updateMemories brings the image's memory of every key up to the change, after the events were emitted.
func (h *history) updateMemories(after []byte) {
	for k := range h.keys {
		j, m := &h.keys[k], &h.image.keys[k]
		switch {
		case j.untouched:
			continue
		case j.verdict == broken:
			if !m.isBad {
				m.isBad, m.good = true, j.before.raw
			}
			continue
		}
		h.markBad(m, &j.after)
		if j.verdict == same && j.before.same(&j.after) {
			continue
		}
		m.since = h.tx.CommitTime
		h.markTime(m, &j.after)
	}
	h.image.history, h.image.incomplete = after, false
}

// markBad notes whether something of a value cannot be read, and what the next one is compared with then.
func (h *history) markBad(m *memory, v *value) {
	m.isBad, m.good = len(v.parts) > 0, nil
	if m.isBad {
		m.good = v.wellFormed()
	}
}

// markTime notes the timestamp of a value that was reported. One in the future is no mark: every true one would be older.
func (h *history) markTime(m *memory, v *value) {
	switch {
	case v.empty || (!v.key.isTimed() && v.key != lastExitGuard):
		return
	case h.isFuture(v.at):
		m.ahead = v.at
	case !m.dated || v.at > m.newest || h.isFuture(m.newest):
		m.newest, m.dated, m.exit = v.at, true, v.key == lastTrim && v.isExit()
	case v.at == m.newest:
		m.exit = m.exit || (v.key == lastTrim && v.isExit())
	}
}

// report emits the events of the comparison in the contract's order.
func (h *history) report() {
	for k := lastS1Buy; k <= lastReclaimBuy; k++ {
		h.reportIf(k, recorded, h.buy)
	}
	h.reportIf(lastTrim, recorded, h.sell)
	h.reportIf(lastTrim, becameExit, h.sell)
	h.reportIf(lastTrimSignal, recorded, h.trimSignal)
	for k := range keyCount {
		if k != lastExit {
			h.reportIf(k, amended, h.amend)
		}
	}
	h.reportIf(lastExit, amended, h.amendExit)
	h.pool()
	h.reportIf(lastExit, recorded, h.exit)
	h.reportIf(lastExit, amended, h.rebuyUsed)
	h.reportIf(lastExitGuard, recorded, h.guard)
	h.inFamilies(restored, h.restore)
	h.inFamilies(reverted, h.revert)
	h.prevState()
	h.reportIf(lotusBuyback, recorded, h.buyback)
}

func (h *history) reportIf(k key, v verdict, report func(*judged)) {
	if h.keys[k].verdict == v {
		report(&h.keys[k])
	}
}

// inFamilies reports the keys with a verdict: executions, then the pool, then exits.
func (h *history) inFamilies(v verdict, report func(*judged)) {
	for k := range keyCount {
		if k != trimPool && k != prevState && !h.isExitKey(k) {
			h.reportIf(k, v, report)
		}
	}
	h.reportIf(trimPool, v, report)
	for k := range keyCount {
		if h.isExitKey(k) {
			h.reportIf(k, v, report)
		}
	}
}

// isExitKey reports whether the value that a reversal or a return is about was reported as an emergency exit.
func (h *history) isExitKey(k key) bool {
	j := &h.keys[k]
	if j.verdict == same {
		return false
	}
	if j.verdict == reverted {
		return j.before.isExit()
	}
	return j.after.isExit()
}

// remember notes that a key's new value was reported at a place.
func (h *history) remember(j *judged, at place) {
	if !j.after.empty || j.key == trimPool {
		h.image.keys[j.key].remember(j.after.sum(), at)
	}
}

func (j *judged) when() occurrence {
	return occurrence{at: j.after.at, embedded: !j.after.empty && (j.key.isTimed() || j.key == lastExitGuard), naive: j.after.naive}
}

// reportMalformed sends what could not be read to quarantine, once for each distinct value. Of many parts the first are told,
// and how many others there are.
func (h *history) reportMalformed() {
	told, more := 0, 0
	for k := range h.keys {
		j, m := &h.keys[k], &h.image.keys[k]
		if j.why != nil {
			h.quarantine(m, j.why)
		}
		for i := range j.parts {
			if told == toldParts {
				more += len(j.parts) - i
				break
			}
			told++
			h.quarantine(m, &j.parts[i])
		}
	}
	if more > 0 {
		h.emit(&schemas.HistoryMalformed{More: schemas.Number(strconv.Itoa(more))}, nil, nil, atCommit)
	}
}

// absorb makes every value of a document seen, at the place of the baseline that reported it.
func (h *history) absorb(document []byte, at place) {
	known := knownKeys(document)
	h.values.reset()
	for k := range keyCount {
		m := &h.image.keys[k]
		v, bad := h.values.read(k, known[k])
		h.keys[k] = judged{key: k, after: v, why: bad, parts: v.parts}
		if bad != nil {
			h.keys[k] = judged{key: k, verdict: broken, why: bad}
			m.isBad, m.good = true, nil
			continue
		}
		*m = memory{bad: m.bad, values: m.values}
		h.markBad(m, &v)
		if v.empty && k != trimPool {
			continue
		}
		m.remember(v.sum(), at)
		h.markTime(m, &v)
	}
	h.image.history, h.image.incomplete = document, false
}
