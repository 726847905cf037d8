package cdc

import (
	"bytes"
	"sort"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// history is the comparison of two documents of one position.
type history struct {
	change
	values  valueParser
	image   *positionImage // after the change; its memories are updated while events are emitted
	engine  jsonb.Text     // uptrend_engine_v4 of the same row
	fresh   bool           // the position was flat before this change
	keys    [keyCount]judged
	step    poolStep // what the pool did when it was neither reverted nor restored
	unknown []unknownKey
}

type unknownKey struct {
	name          string
	before, after []byte
}

// beginHistory returns the comparison of a change, in memory that the next one takes over.
func (m *Machine) beginHistory(c change, image *positionImage) *history {
	h := &m.history
	c.marks = h.marks[:0]
	*h = history{change: c, values: h.values, image: image}
	return h
}

// members splits a history document into the raw values of its known keys and of all others.
func members(document []byte) (known [keyCount][]byte, other map[string][]byte) {
	if document == nil {
		return known, nil
	}
	for m := decode.MembersOf(document); m.Next(); {
		name, raw := jsonb.Text(m.Name).Unquoted(), m.Value()
		if jsonb.Text(raw).IsNull() {
			raw = nil
		}
		if k, ok := keyOf(name); ok {
			known[k] = raw
			continue
		}
		if other == nil {
			other = make(map[string][]byte)
		}
		other[string(name)] = raw
	}
	return known, other
}

// judge compares two documents key by key. It changes nothing.
func (h *history) judge(before, after []byte) {
	h.values.reset()
	was, wasOther := members(before)
	is, isOther := members(after)
	for k := range keyCount {
		h.keys[k] = h.judgeKey(k, was[k], is[k])
	}
	h.judgePool()
	h.unknown = compareUnknown(wasOther, isOther)
}

func (h *history) judgeKey(k key, was, is []byte) judged {
	m := &h.image.keys[k]
	j := judged{key: k}
	if m.isBad {
		was = m.good
	}
	if bytes.Equal(was, is) && (was == nil) == (is == nil) {
		return j // most keys, most of the time: nothing is read
	}
	j.before, _ = h.values.read(k, was)
	j.after = j.before
	after, bad := h.values.parse(k, is)
	if bad != nil {
		j.verdict, j.why = broken, bad
		return j
	}
	j.after = after
	switch {
	case k == prevState, k == lotusBuyback:
		judgeUndated(&j, m)
	case k != trimPool:
		judgeTimed(&j, m)
	}
	return j
}

func compareUnknown(was, is map[string][]byte) []unknownKey {
	var changed []unknownKey
	for name, raw := range is {
		if !sameUnknown(was[name], raw) {
			changed = append(changed, unknownKey{name, was[name], raw})
		}
	}
	for name, raw := range was {
		if _, both := is[name]; !both && raw != nil {
			changed = append(changed, unknownKey{name, raw, nil})
		}
	}
	sort.Slice(changed, func(i, j int) bool { return changed[i].name < changed[j].name })
	return changed
}

func sameUnknown(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	x, errX := jsonb.DigestOf(a)
	y, errY := jsonb.DigestOf(b)
	return errX == nil && errY == nil && x == y
}

// updateMemories brings the image's memory of every key up to the change, after the events were emitted.
func (h *history) updateMemories(after []byte) {
	for k := range h.keys {
		j, m := &h.keys[k], &h.image.keys[k]
		if j.verdict == broken {
			if !m.isBad {
				m.isBad, m.good = true, j.before.raw
			}
			continue
		}
		m.isBad, m.good = false, nil
		if j.verdict == same && j.before.same(&j.after) {
			continue
		}
		m.since = h.tx.CommitTime
		if !j.after.empty && (j.key.isTimed() || j.key == lastExitGuard) && (!m.dated || j.after.at > m.newest) {
			m.newest, m.dated = j.after.at, true
		}
	}
	h.image.history, h.image.incomplete = after, false
}

// report emits the events of the comparison in the contract's order.
func (h *history) report() {
	for k := lastS1Buy; k <= lastReclaimBuy; k++ {
		h.reportIf(k, recorded, h.buy)
	}
	h.reportIf(lastTrim, recorded, h.sell)
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
		return k.isExit(&j.before)
	}
	return k.isExit(&j.after)
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

// reportMalformed sends what could not be read to quarantine, once for each distinct value.
func (h *history) reportMalformed() {
	for k := range h.keys {
		j := &h.keys[k]
		if j.verdict == broken {
			h.quarantine(&h.image.keys[k], j.why)
		}
	}
}

func (h *history) reportUnknown() {
	for _, u := range h.unknown {
		h.emit(&schemas.HistoryUnknownKey{Key: u.name, Raw: h.bound(u.after)}, u.before, u.after, atCommit)
	}
}

// absorb makes every value of a document seen, at the place of the baseline that reported it.
func (h *history) absorb(document []byte, at place) {
	known, _ := members(document)
	h.values.reset()
	for k := range keyCount {
		m := &h.image.keys[k]
		v, bad := h.values.parse(k, known[k])
		h.keys[k] = judged{key: k, after: v, why: bad}
		if bad != nil {
			h.keys[k] = judged{key: k, verdict: broken, why: bad}
			m.isBad, m.good = true, nil
			continue
		}
		*m = memory{bad: m.bad, values: m.values}
		if v.empty && k != trimPool {
			continue
		}
		m.remember(v.sum(), at)
		if k.isTimed() || k == lastExitGuard {
			m.newest, m.dated = v.at, true
		}
	}
	h.image.history, h.image.incomplete = document, false
}
