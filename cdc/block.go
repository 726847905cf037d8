package cdc

import (
	"bytes"
	"fmt"
	"strings"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// effectiveBook is the only book under which the bot looks for blocks.
const effectiveBook = "onchain_crypto"

// blockImageVersion is the first byte of a block's image.
const blockImageVersion = 1

// blockImage is what was last known of a block.
type blockImage struct {
	there          bool   // false for a block that is not there; all of its columns may be NULL
	s1, s2         []byte // t, f, or nil
	fail1, fail2   stamp  // when a stage last failed
	success        stamp
	since1, since2 decode.Micros // when the stage's set event occurred; 0 when it was not seen
	unreadable     memory        // malformed timestamps reported
	text           []byte        // the columns as JSON, made when they are asked for; empty before
}

// appendColumns appends the part of an image that a row tells. It comes first and no such part begins another, so a row
// is as its image has it when the image begins with it.
func (b *blockImage) appendColumns(dst []byte) []byte {
	dst = appendOptional(appendOptional(append(dst, blockImageVersion), b.s1), b.s2)
	return b.success.appendTo(b.fail2.appendTo(b.fail1.appendTo(dst)))
}

func (b *blockImage) appendTo(dst []byte) []byte {
	dst = appendInstant(appendInstant(b.appendColumns(dst), b.since1), b.since2)
	return b.unreadable.appendTo(dst, new(place))
}

func (b *blockImage) decode(data []byte) error {
	r := &reader{data: data}
	if v := r.byte(); r.err == nil && v != blockImageVersion {
		return newerFormat(v, blockImageVersion)
	}
	b.s1, b.s2 = r.optional(), r.optional()
	b.fail1, b.fail2, b.success = r.stamp(), r.stamp(), r.stamp()
	b.since1, b.since2 = decode.Micros(r.varint()), decode.Micros(r.varint())
	b.unreadable.read(r)
	b.there = true
	return r.end()
}

func isTrue(flag []byte) bool { return len(flag) == 1 && flag[0] == 't' }

func (b *blockImage) stages() []schemas.Stage {
	return stagesOf(isTrue(b.s1), isTrue(b.s2))
}

func stagesOf(s1, s2 bool) []schemas.Stage {
	switch {
	case s1 && s2:
		return []schemas.Stage{schemas.S1, schemas.S2}
	case s1:
		return []schemas.Stage{schemas.S1}
	case s2:
		return []schemas.Stage{schemas.S2}
	}
	return []schemas.Stage{}
}

// isOrphaned reports whether stage 2 stays blocked for ever: a failure of stage 1 alone blocked both, and the success
// that came after cleared only stage 1.
func (b *blockImage) isOrphaned() bool {
	return isTrue(b.s2) && b.fail2.isNull() && !b.fail1.isNull() && !b.success.isNull() && b.success.at > b.fail1.at
}

// blockKey joins the four key columns. Postgres text holds no zero byte, so no two keys are joined alike, and joined
// keys sort as the primary key does under the C collation.
func blockKey(row *decode.BlockRow) string { return string(appendBlockKey(nil, row)) }

func appendBlockKey(dst []byte, row *decode.BlockRow) []byte {
	dst = append(append(dst, row[decode.BlockContract].Text...), 0)
	dst = append(append(dst, row[decode.BlockChain].Text...), 0)
	dst = append(append(dst, row[decode.BlockTimeframe].Text...), 0)
	return append(dst, row[decode.BlockBook].Text...)
}

func (m *machine) blockChange(key string, op schemas.Op) change {
	contract, rest, _ := strings.Cut(key, "\x00")
	chain, rest, _ := strings.Cut(rest, "\x00")
	timeframe, book, _ := strings.Cut(rest, "\x00")
	c := change{
		emitter: &m.emitter, op: op, row: key,
	}
	if book != effectiveBook {
		c.flags = append(c.flags, schemas.IneffectiveBook)
	}
	contract, chain, timeframe, book = c.whole(contract), c.whole(chain), c.whole(timeframe), c.whole(book)
	c.entity = schemas.Block{TokenContract: contract, TokenChain: chain, Timeframe: timeframe, BookID: book}
	c.subject = m.joined(bytesOf(contract), bytesOf(chain), bytesOf(timeframe), bytesOf(book))
	c.key = m.joined(bytesOf(chain), bytesOf(contract), bytesOf(timeframe))
	return c
}

func (m *machine) applyBlock(change *decode.BlockChange) error {
	if change.Op == decode.Delete {
		gone := m.blockChange(blockKey(&change.Old), m.op(decode.Blocks, change.Op))
		m.deleteBlock(&gone, blockKey(&change.Old))
		return nil
	}
	m.blockKey = appendBlockKey(m.blockKey[:0], &change.New)
	if change.HasOld && blockKey(&change.Old) != string(m.blockKey) {
		return m.moveBlock(change, string(m.blockKey))
	}
	if m.rows != nil {
		if err := m.passTo(decode.Blocks, string(m.blockKey)); err != nil {
			return err
		}
	}
	image, known := m.state.blocks.get(m.blockKey)
	known = known && !m.isFresh(decode.Blocks)
	if known && m.isUnchangedBlock(&change.New, image) {
		return nil
	}
	key, before := string(m.blockKey), &m.blockWas
	*before = blockImage{text: before.text[:0]}
	if known {
		if err := before.decode(image); err != nil {
			return fmt.Errorf("block %q: %w", key, err)
		}
	}
	m.changeBlock(key, change, known)
	return nil
}

// isUnchangedBlock reports whether a row is as its image has it. It allocates nothing.
func (m *machine) isUnchangedBlock(row *decode.BlockRow, image []byte) bool {
	for i := decode.BlockedS1; i <= decode.LastSuccess; i++ {
		if row[i].Kind == decode.Unchanged {
			return false // these columns are too short to be stored out of line
		}
	}
	now := readBlock(row, &blockImage{})
	m.scratch = now.appendColumns(m.scratch[:0])
	return bytes.HasPrefix(image, m.scratch)
}

// changeBlock reports what changed from m.blockWas to the row, and stores the new image.
func (m *machine) changeBlock(key string, row *decode.BlockChange, known bool) {
	op := m.op(decode.Blocks, row.Op)
	if known {
		op = m.opOfKnown(decode.Blocks, row.Op)
	}
	c := m.blockChange(key, op)
	after := readBlock(&row.New, &m.blockWas)
	after.text = m.blockText[:0]
	switch {
	case m.rows != nil && !known:
		c.blockBaseline(&after)
	case !known && row.Op == decode.Update:
		c.flags = append(c.flags, schemas.BaselineIncomplete)
		c.blockBaseline(&after)
	default:
		c.diffBlock(&m.blockWas, &after)
	}
	m.blockText = after.text
	m.storeBlock(key, &after)
}

// readBlock makes the image of a row; what the row leaves out is as before.
func readBlock(row *decode.BlockRow, before *blockImage) blockImage {
	after := *before
	after.there, after.text = true, nil
	after.s1 = column(row[decode.BlockedS1], before.s1)
	after.s2 = column(row[decode.BlockedS2], before.s2)
	after.fail1 = stampOf(row[decode.LastS1Failure], before.fail1)
	after.fail2 = stampOf(row[decode.LastS2Failure], before.fail2)
	after.success = stampOf(row[decode.LastSuccess], before.success)
	return after
}

// moveBlock handles a change of the primary key: the old block is gone, and what is new about the new one is not known.
func (m *machine) moveBlock(change *decode.BlockChange, key string) error {
	old := blockKey(&change.Old)
	gone := m.blockChange(old, m.op(decode.Blocks, change.Op))
	m.deleteBlock(&gone, old)
	c := m.blockChange(key, m.op(decode.Blocks, change.Op))
	c.event = gone.event
	after := readBlock(&change.New, &blockImage{})
	c.blockBaseline(&after)
	m.storeBlock(key, &after)
	return nil
}

func (m *machine) deleteBlock(c *change, key string) {
	var image blockImage
	if data, known := m.state.blocks.get(bytesOf(key)); !known || m.damaged || image.decode(data) != nil {
		c.mark(true, schemas.BaselineIncomplete)
		image = blockImage{}
	}
	gone := &schemas.EntryBlockDeleted{WasBlocked: image.stages()}
	if isTrue(image.s1) {
		gone.BlockedForSeconds.S1 = blockedFor(image.fail1, image.since1, c.tx.CommitTime)
	}
	if isTrue(image.s2) {
		gone.BlockedForSeconds.S2 = blockedFor(image.fail2, image.since2, c.tx.CommitTime)
	}
	c.emit(gone, image.json(), nil, atCommit)
	m.drop(decode.Blocks, key)
}

func (c *change) blockBaseline(after *blockImage) {
	c.reportUnreadable(after)
	c.emit(&schemas.EntryBlockBaseline{Stages: after.stages(), FailureTS: after.failures(), LastSuccessTS: after.success.instant()},
		nil, after.json(), atCommit)
	if after.isOrphaned() {
		c.emitOrphaned(nil, after)
	}
}

func (c *change) emitOrphaned(before, after *blockImage) {
	c.emit(&schemas.EntryBlockOrphaned{Stage: schemas.S2, Since: jsonb.FormatInstant(after.success.at)},
		before.json(), after.json(), occurrence{at: after.success.at, embedded: true})
}
