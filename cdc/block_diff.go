package cdc

import (
	"bytes"
	"encoding/binary"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

func appendInstant(dst []byte, at decode.Micros) []byte { return binary.AppendVarint(dst, int64(at)) }

// diffBlock reports what changed from one image of a block to the next. A block that was just inserted is compared
// with an empty one.
func (c *change) diffBlock(before, after *blockImage) {
	c.reportUnreadable(after)
	if before.s1 == nil && before.s2 == nil && before.failure1 == nil && before.failure2 == nil && before.success == nil {
		before = &blockImage{}
	}
	moved1, moved2 := after.failed1 > before.failed1, after.failed2 > before.failed2
	trigger, when := c.failureTrigger(after, moved1, moved2)
	c.diffSet(before, after, trigger, when)
	c.diffRefreshed(before, after, trigger, when)
	c.diffCleared(before, after)
	if after.ok > before.ok {
		c.emit(&schemas.EntryBlockSuccessObserved{LastSuccessTS: formatInstant(after.ok)},
			before.json(), after.json(), occurrence{at: after.ok, embedded: true})
	}
	if after.isOrphaned() && !before.isOrphaned() {
		c.emitOrphaned(before, after)
	}
}

// failureTrigger names what blocked a stage: the failure whose timestamp moved forward in the same change.
func (c *change) failureTrigger(after *blockImage, moved1, moved2 bool) (string, occurrence) {
	switch {
	case moved1 && moved2:
		return "s1_and_s2_failure", occurrence{at: max(after.failed1, after.failed2), embedded: true}
	case moved1:
		return "s1_failure", occurrence{at: after.failed1, embedded: true}
	case moved2:
		return "s2_failure", occurrence{at: after.failed2, embedded: true}
	}
	return "manual", atCommit
}

func (c *change) diffSet(before, after *blockImage, trigger string, when occurrence) {
	stages := []schemas.Stage{}
	since := c.m.tx.CommitTime
	if when.embedded {
		since = when.at
	}
	if isTrue(after.s1) && !isTrue(before.s1) {
		stages, after.since1 = append(stages, schemas.S1), since
	}
	if isTrue(after.s2) && !isTrue(before.s2) {
		stages, after.since2 = append(stages, schemas.S2), since
	}
	if len(stages) > 0 {
		c.emit(&schemas.EntryBlockSet{Stages: stages, Trigger: trigger, FailureTS: after.failures()}, before.json(), after.json(), when)
	}
}

func (c *change) diffRefreshed(before, after *blockImage, trigger string, when occurrence) {
	stages := []schemas.Stage{}
	if isTrue(after.s1) && isTrue(before.s1) && after.failed1 != before.failed1 {
		stages = append(stages, schemas.S1)
	}
	if isTrue(after.s2) && isTrue(before.s2) && after.failed2 != before.failed2 {
		stages = append(stages, schemas.S2)
	}
	if len(stages) > 0 {
		c.emit(&schemas.EntryBlockRefreshed{Stages: stages, Trigger: trigger}, before.json(), after.json(), when)
	}
}

func (c *change) diffCleared(before, after *blockImage) {
	data := &schemas.EntryBlockCleared{Stages: []schemas.Stage{}, Trigger: "manual"}
	when, until := atCommit, c.m.tx.CommitTime
	if after.ok > before.ok {
		data.Trigger, until = "success", after.ok
		when = occurrence{at: after.ok, embedded: true}
	}
	if isTrue(before.s1) && !isTrue(after.s1) {
		data.Stages = append(data.Stages, schemas.S1)
		data.BlockedForSeconds.S1 = blockedFor(after.failure1, after.failed1, before.since1, until)
		after.since1 = 0
	}
	if isTrue(before.s2) && !isTrue(after.s2) {
		data.Stages = append(data.Stages, schemas.S2)
		data.BlockedForSeconds.S2 = blockedFor(after.failure2, after.failed2, before.since2, until)
		after.since2 = 0
	}
	if len(data.Stages) > 0 {
		c.emit(data, before.json(), after.json(), when)
	}
}

// blockedFor counts from the newest failure of the stage, or from the set event where the row has none.
func blockedFor(text []byte, failed, since, until decode.Micros) schemas.Number {
	switch {
	case text != nil && failed != 0:
		return seconds(failed, until)
	case since != 0:
		return seconds(since, until)
	}
	return ""
}

// reportUnreadable sends a timestamp that cannot be read (infinity, a year before Christ) to quarantine, once.
func (c *change) reportUnreadable(after *blockImage) {
	for _, t := range []struct {
		column string
		text   []byte
	}{{"last_s1_failure_ts", after.failure1}, {"last_s2_failure_ts", after.failure2}, {"last_success_ts", after.success}} {
		if _, _, ok := parseInstant(string(t.text)); ok || t.text == nil {
			continue
		}
		raw := quote(t.text)
		if after.unreadable.complain(malformedDigest(t.column, raw)) {
			c.emit(&schemas.HistoryMalformed{Path: t.column, Raw: raw, Why: "not a timestamp"}, nil, nil, atCommit)
		}
	}
}

func (b *blockImage) failures() schemas.PerStage[schemas.Instant] {
	return schemas.PerStage[schemas.Instant]{S1: instantOf(b.failure1, b.failed1), S2: instantOf(b.failure2, b.failed2)}
}

func instantOf(text []byte, at decode.Micros) schemas.Instant {
	if text == nil || at == 0 {
		return ""
	}
	return formatInstant(at)
}

// json returns the watched columns as an object, timestamps in RFC 3339; null for a block that was not there.
func (b *blockImage) json() []byte {
	if b == nil || (b.s1 == nil && b.s2 == nil && b.failure1 == nil && b.failure2 == nil && b.success == nil) {
		return nil
	}
	dst := appendFlag(append([]byte(nil), `{"blocked_s1": `...), b.s1)
	dst = appendFlag(append(dst, `, "blocked_s2": `...), b.s2)
	dst = appendStamp(append(dst, `, "last_s1_failure_ts": `...), b.failure1)
	dst = appendStamp(append(dst, `, "last_s2_failure_ts": `...), b.failure2)
	dst = appendStamp(append(dst, `, "last_success_ts": `...), b.success)
	return append(dst, '}')
}

func appendFlag(dst, flag []byte) []byte {
	switch {
	case flag == nil:
		return append(dst, "null"...)
	case isTrue(flag):
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

func appendStamp(dst, text []byte) []byte {
	if text == nil {
		return append(dst, "null"...)
	}
	if at, _, ok := parseInstant(string(text)); ok {
		text = []byte(formatInstant(at))
	}
	return append(dst, quote(bytes.Clone(text))...)
}
