package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// diffBlock reports what changed from one image of a block to the next. A block that was just inserted is compared
// with an empty one.
func (c *change) diffBlock(before, after *blockImage) {
	c.reportUnreadable(after)
	moved1, moved2 := c.isLater(after.fail1, before.fail1), c.isLater(after.fail2, before.fail2)
	trigger, when := c.failureTrigger(after, moved1, moved2)
	c.diffSet(before, after, trigger, when)
	c.diffRefreshed(before, after, trigger, when)
	c.diffCleared(before, after)
	if c.isLater(after.success, before.success) {
		c.emit(&schemas.EntryBlockSuccessObserved{LastSuccessTS: jsonb.FormatInstant(after.success.at)},
			before.json(), after.json(), occurrence{at: after.success.at, embedded: true})
	}
	if after.isOrphaned() && !before.isOrphaned() {
		c.emitOrphaned(before, after)
	}
}

// isLater reports whether a timestamp moved forward. One in the future is no mark: any true one is later.
func (c *change) isLater(now, before stamp) bool {
	return now.at > before.at || (now.at != 0 && c.isFuture(before.at) && !c.isFuture(now.at))
}

// failureTrigger names what blocked a stage: the failure whose timestamp moved forward in the same change.
func (c *change) failureTrigger(after *blockImage, moved1, moved2 bool) (string, occurrence) {
	switch {
	case moved1 && moved2:
		return "s1_and_s2_failure", occurrence{at: max(after.fail1.at, after.fail2.at), embedded: true}
	case moved1:
		return "s1_failure", occurrence{at: after.fail1.at, embedded: true}
	case moved2:
		return "s2_failure", occurrence{at: after.fail2.at, embedded: true}
	}
	return "manual", atCommit
}

func (c *change) diffSet(before, after *blockImage, trigger string, when occurrence) {
	since := c.tx.CommitTime
	if when.embedded {
		since = when.at
	}
	set1, set2 := isTrue(after.s1) && !isTrue(before.s1), isTrue(after.s2) && !isTrue(before.s2)
	if set1 {
		after.since1 = since
	}
	if set2 {
		after.since2 = since
	}
	if set1 || set2 {
		c.emit(&schemas.EntryBlockSet{Stages: stagesOf(set1, set2), Trigger: trigger, FailureTS: after.failures()},
			before.json(), after.json(), when)
	}
}

func (c *change) diffRefreshed(before, after *blockImage, trigger string, when occurrence) {
	again1 := isTrue(after.s1) && isTrue(before.s1) && after.fail1.at != before.fail1.at
	again2 := isTrue(after.s2) && isTrue(before.s2) && after.fail2.at != before.fail2.at
	if again1 || again2 {
		c.emit(&schemas.EntryBlockRefreshed{Stages: stagesOf(again1, again2), Trigger: trigger}, before.json(), after.json(), when)
	}
}

func (c *change) diffCleared(before, after *blockImage) {
	free1, free2 := isTrue(before.s1) && !isTrue(after.s1), isTrue(before.s2) && !isTrue(after.s2)
	if !free1 && !free2 {
		return
	}
	data := &schemas.EntryBlockCleared{Stages: stagesOf(free1, free2), Trigger: "manual"}
	when, until := atCommit, c.tx.CommitTime
	if c.isLater(after.success, before.success) {
		data.Trigger, until = "success", after.success.at
		when = occurrence{at: after.success.at, embedded: true}
	}
	if data.Trigger == "manual" && c.tx.actor == nil && c.tx.by() == nil {
		c.severity = schemas.Warn // nobody knows who
	}
	if free1 {
		data.BlockedForSeconds.S1 = blockedFor(after.fail1, before.since1, until)
		after.since1 = 0
	}
	if free2 {
		data.BlockedForSeconds.S2 = blockedFor(after.fail2, before.since2, until)
		after.since2 = 0
	}
	c.emit(data, before.json(), after.json(), when)
}

// blockedFor counts from the newest failure of the stage, or from the set event where the row has none.
func blockedFor(failed stamp, since, until decode.Micros) schemas.Number {
	switch {
	case failed.at != 0:
		return jsonb.Seconds(failed.at, until)
	case since != 0:
		return jsonb.Seconds(since, until)
	}
	return ""
}

// reportUnreadable sends a timestamp that cannot be read (infinity, a year before Christ) to quarantine, once.
func (c *change) reportUnreadable(after *blockImage) {
	for _, t := range [...]struct {
		column string
		stamp  stamp
	}{{"last_s1_failure_ts", after.fail1}, {"last_s2_failure_ts", after.fail2}, {"last_success_ts", after.success}} {
		if t.stamp.kind != badStamp {
			continue
		}
		raw := jsonb.Quote(t.stamp.text)
		if after.unreadable.complain(malformedDigest(t.column, raw)) {
			c.emit(&schemas.HistoryMalformed{Path: t.column, Raw: raw, Why: "not a timestamp"}, nil, nil, atCommit)
		}
	}
}

func (b *blockImage) failures() schemas.PerStage[schemas.Instant] {
	return schemas.PerStage[schemas.Instant]{S1: b.fail1.instant(), S2: b.fail2.instant()}
}

// json returns the watched columns as an object, timestamps in RFC 3339; null for a block that was not there.
func (b *blockImage) json() []byte {
	if b == nil || !b.there {
		return nil
	}
	if len(b.text) == 0 {
		b.text = b.appendJSON(b.text)
	}
	return b.text
}

func (b *blockImage) appendJSON(dst []byte) []byte {
	dst = appendFlag(append(dst, `{"blocked_s1": `...), b.s1)
	dst = appendFlag(append(dst, `, "blocked_s2": `...), b.s2)
	dst = b.fail1.appendJSON(append(dst, `, "last_s1_failure_ts": `...))
	dst = b.fail2.appendJSON(append(dst, `, "last_s2_failure_ts": `...))
	dst = b.success.appendJSON(append(dst, `, "last_success_ts": `...))
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
