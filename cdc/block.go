package cdc

import (
	"bytes"
	"fmt"
	"strings"
	"unsafe"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// effectiveBook is the only book under which the bot looks for blocks.
const effectiveBook = "onchain_crypto"

// blockImage is what was last known of a block. Timestamps are Postgres' text, nil for NULL.
type blockImage struct {
	s1, s2               []byte // t, f, or nil
	failure1, failure2   []byte
	success              []byte
	since1, since2       decode.Micros // when the stage's set event occurred; 0 when it was not seen
	unreadable           memory        // malformed timestamps reported
	failed1, failed2, ok decode.Micros // the timestamps as instants, 0 for NULL
	texts                [3]stampText  // what the timestamps of a decoded image point into
}

func (b *blockImage) appendTo(dst []byte) []byte {
	dst = append(dst, imageVersion)
	dst = appendOptional(appendOptional(dst, b.s1), b.s2)
	for _, text := range [...][]byte{b.failure1, b.failure2, b.success} {
		dst = appendStampText(dst, text)
	}
	dst = appendInstant(appendInstant(dst, b.since1), b.since2)
	return b.unreadable.appendTo(dst)
}

func (b *blockImage) decode(data string) error {
	r := &reader{data: unsafe.Slice(unsafe.StringData(data), len(data))}
	if v := r.byte(); r.err == nil && v != imageVersion {
		return fmt.Errorf("read block image: version %d is unknown", v)
	}
	b.s1, b.s2 = r.optional(), r.optional()
	b.failure1, b.failure2, b.success = r.stampText(&b.texts[0]), r.stampText(&b.texts[1]), r.stampText(&b.texts[2])
	b.since1, b.since2 = decode.Micros(r.varint()), decode.Micros(r.varint())
	b.unreadable.read(r)
	return r.end()
}

func (b *blockImage) readInstants() {
	b.failed1, _, _ = parseInstant(string(b.failure1))
	b.failed2, _, _ = parseInstant(string(b.failure2))
	b.ok, _, _ = parseInstant(string(b.success))
}

func isTrue(flag []byte) bool { return len(flag) == 1 && flag[0] == 't' }

func (b *blockImage) stages() []schemas.Stage {
	stages := []schemas.Stage{}
	if isTrue(b.s1) {
		stages = append(stages, schemas.S1)
	}
	if isTrue(b.s2) {
		stages = append(stages, schemas.S2)
	}
	return stages
}

// isOrphaned reports whether stage 2 stays blocked for ever: a failure of stage 1 alone blocked both, and the success
// that came after cleared only stage 1.
func (b *blockImage) isOrphaned() bool {
	return isTrue(b.s2) && b.failure2 == nil && b.failure1 != nil && b.success != nil && b.ok > b.failed1
}

// sameAs reports whether two images hold the same columns.
func (b *blockImage) sameAs(other *blockImage) bool {
	return bytes.Equal(b.s1, other.s1) && bytes.Equal(b.s2, other.s2) && bytes.Equal(b.failure1, other.failure1) &&
		bytes.Equal(b.failure2, other.failure2) && bytes.Equal(b.success, other.success) &&
		(b.s1 == nil) == (other.s1 == nil) && (b.s2 == nil) == (other.s2 == nil)
}

// blockKey joins the four key columns. Postgres text holds no zero byte, so no two keys are joined alike, and joined
// keys sort as the primary key does under the C collation.
func blockKey(row *decode.BlockRow) string {
	return string(bytes.Join([][]byte{row[decode.BlockContract].Text, row[decode.BlockChain].Text,
		row[decode.BlockTimeframe].Text, row[decode.BlockBook].Text}, []byte{0}))
}

func (m *Machine) blockChange(key string, op schemas.Op) *change {
	part := append(strings.SplitN(key, "\x00", 4), "", "", "")
	c := &change{
		m: m, op: op,
		entity:  schemas.Block{TokenContract: part[0], TokenChain: part[1], Timeframe: part[2], BookID: part[3]},
		subject: part[0] + "/" + part[1] + "/" + part[2] + "/" + part[3],
		key:     part[1] + "/" + part[0] + "/" + part[2],
	}
	if part[3] != effectiveBook {
		c.flags = append(c.flags, schemas.IneffectiveBook)
	}
	return c
}

func (m *Machine) applyBlock(change *decode.BlockChange) error {
	if change.Op == decode.Delete {
		m.deleteBlock(m.blockChange(blockKey(&change.Old), m.op(decode.Blocks, change.Op)), blockKey(&change.Old))
		return nil
	}
	key := blockKey(&change.New)
	if change.HasOld && blockKey(&change.Old) != key {
		return m.moveBlock(change, key)
	}
	if m.rows != nil {
		if err := m.passTo(decode.Blocks, key); err != nil {
			return err
		}
	}
	image, known := m.state.blocks[key]
	known = known && !m.isFresh(decode.Blocks)
	before := &m.blockWas
	*before = blockImage{}
	if known {
		if err := before.decode(image); err != nil {
			return fmt.Errorf("block %q: %w", key, err)
		}
	}
	after := readBlock(&change.New, before)
	if known && after.sameAs(before) {
		return nil
	}
	before.readInstants()
	after.readInstants()
	c := m.blockChange(key, m.op(decode.Blocks, change.Op))
	switch {
	case m.rows != nil && !known:
		c.blockBaseline(&after)
	case !known && change.Op == decode.Update:
		c.flags = append(c.flags, schemas.BaselineIncomplete)
		c.blockBaseline(&after)
	default:
		c.diffBlock(before, &after)
	}
	m.storeBlock(key, &after)
	return nil
}

// readBlock makes the image of a row; what the row leaves out is as before.
func readBlock(row *decode.BlockRow, before *blockImage) blockImage {
	after := *before
	after.s1 = column(row[decode.BlockedS1], before.s1)
	after.s2 = column(row[decode.BlockedS2], before.s2)
	after.failure1 = column(row[decode.LastS1Failure], before.failure1)
	after.failure2 = column(row[decode.LastS2Failure], before.failure2)
	after.success = column(row[decode.LastSuccess], before.success)
	return after
}

// column returns what a column of the new row holds, nil for NULL; a value that was not sent is as before.
func column(v decode.Value, before []byte) []byte {
	switch v.Kind {
	case decode.Text:
		return v.Text
	case decode.Unchanged:
		return before
	}
	return nil
}

// moveBlock handles a change of the primary key: the old block is gone, and what is new about the new one is not known.
func (m *Machine) moveBlock(change *decode.BlockChange, key string) error {
	old := blockKey(&change.Old)
	gone := m.blockChange(old, m.op(decode.Blocks, change.Op))
	m.deleteBlock(gone, old)
	c := m.blockChange(key, m.op(decode.Blocks, change.Op))
	c.event = gone.event
	after := readBlock(&change.New, &blockImage{})
	after.readInstants()
	c.blockBaseline(&after)
	m.storeBlock(key, &after)
	return nil
}

func (m *Machine) deleteBlock(c *change, key string) {
	var image blockImage
	if err := image.decode(m.state.blocks[key]); err != nil {
		c.mark(true, schemas.BaselineIncomplete)
		image = blockImage{}
	}
	c.emit(&schemas.EntryBlockDeleted{WasBlocked: image.stages()}, image.json(), nil, atCommit)
	m.dropBlock(key)
}

func (c *change) blockBaseline(after *blockImage) {
	c.reportUnreadable(after)
	c.emit(&schemas.EntryBlockBaseline{Stages: after.stages(), FailureTS: after.failures(), LastSuccessTS: instantOf(after.success, after.ok)},
		nil, after.json(), atCommit)
	if after.isOrphaned() {
		c.emitOrphaned(nil, after)
	}
}

func (c *change) emitOrphaned(before, after *blockImage) {
	c.emit(&schemas.EntryBlockOrphaned{Stage: schemas.S2, Since: formatInstant(after.ok)},
		before.json(), after.json(), occurrence{at: after.ok, embedded: true})
}
