// Package cdc is the heart of lowcap-cdc: what a change of a row means, what is known of every row, and in which order
// events, state and confirmations become durable.
//
// Everything in it is a function of its input. It has no clock and no logger, and it does no I/O of its own: a Source
// brings the changes, a Sink makes the outcome durable. Its one goroutine waits for a commit while the next batch is
// filled. See Pipeline.Run for the guarantee.
package cdc

import (
	"encoding/json"
	"fmt"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// machine turns changes into events and keeps the images. The same changes give the same events, bytes included.
type machine struct {
	emitter
	state *State
	gap   string // why a snapshot that finds images is taken; for the stream.gap
	// adopting is the adoption that the next snapshot begins with; nil for none.
	adopting *adopting
	rows     *snapshot // that is being read, nil outside one

	damaged bool // the images are not believed, until a snapshot has made them anew

	// The rest is scratch.
	position, was positionImage
	history       history
	blockWas      blockImage
	blockText     []byte // of the image that comes after
	blockKey      []byte
	who           []byte // of the transaction, as the server records it
}

// newMachine returns a machine that continues from a state.
func newMachine(state *State, gap string) *machine {
	m := &machine{emitter: emitter{out: newOutbox(&state.Checkpoint.Events, maxBatchRecords)}, state: state, gap: gap}
	m.enter(&state.Checkpoint)
	return m
}

// begin opens a transaction or a snapshot.
func (m *machine) begin(b *decode.Begin) {
	m.tx = transaction{Begin: *b, time: jsonb.FormatInstant(b.CommitTime), lsn: b.CommitLSN.String()}
	if cut := m.state.Checkpoint.Cut; cut.CommitLSN == b.CommitLSN && !b.Snapshot {
		m.tx.skip = cut
	}
	if b.Snapshot {
		m.beginSnapshot(b)
	}
}

// commit closes the transaction: its end is the new checkpoint.
func (m *machine) commit(c *decode.Commit) {
	if m.rows != nil {
		m.finishSnapshot()
		m.rows = nil
	}
	m.state.Checkpoint.LSN, m.state.Checkpoint.Time = c.EndLSN, m.tx.CommitTime
	m.state.Checkpoint.Cut = Cut{}
	m.tx = transaction{}
}

// cut makes what is done of the open transaction the checkpoint.
func (m *machine) cut() {
	m.state.Checkpoint.Cut = Cut{CommitLSN: m.tx.CommitLSN, Changes: m.tx.change, Events: m.tx.events}
}

// annotate notes who made the transaction and why. Content that is not the agreed JSON is the reason as it stands.
func (m *machine) annotate(a *decode.Annotation) {
	var note struct{ Actor, Reason *string }
	if err := json.Unmarshal(a.Content, &note); err != nil {
		text := string(a.Content)
		note.Reason = &text
	}
	m.tx.actor, m.tx.reason, m.tx.shortened = said(note.Actor), said(note.Reason), isLong(note.Actor) || isLong(note.Reason)
}

func isLong(text schemas.Text) bool { return text != nil && len(*text) > maxSaid }

// said returns an annotation's actor or reason as events may carry it.
func said(text schemas.Text) schemas.Text {
	if text == nil {
		return nil
	}
	return textOf(shorten(bytesOf(*text), maxSaid))
}

// apply handles one row change or TRUNCATE. It returns false when the batch is full before a TRUNCATE is done: then
// the batch is to be committed and the same message applied again.
func (m *machine) apply(message decode.Message) (complete bool, err error) {
	if m.tx.change < m.tx.skip.Changes {
		m.tx.change++
		return true, nil
	}
	switch change := message.(type) {
	case *decode.BlockChange:
		err = m.applyBlock(change)
	case *decode.PositionChange:
		err = m.applyPosition(change)
		m.letGo(change)
	case *decode.Truncate:
		if complete, err := m.applyTruncate(change); !complete || err != nil {
			return false, err
		}
	case *decode.TableGone:
		m.applyGone(change)
	default:
		return false, fmt.Errorf("apply change: unexpected %T", message)
	}
	m.tx.change++
	return true, err
}

// hugeRow is the size from which a row is not kept by scratch images, in bytes.
const hugeRow = 1 << 20

// letGo forgets the scratch images and values that point into a huge row's bytes.
func (m *machine) letGo(change *decode.PositionChange) {
	size := 0
	for i := range change.New {
		size += len(change.New[i].Text) + len(change.Old[i].Text)
	}
	if size > hugeRow {
		m.position, m.was, m.history, m.scratch = positionImage{}, positionImage{}, history{}, nil
	}
}

// op names what made a change of a table.
func (m *machine) op(t decode.Table, op decode.Op) schemas.Op {
	switch {
	case m.rows != nil:
		return m.rows.tables[t].op
	case op == decode.Insert:
		return schemas.OpInsert
	case op == decode.Delete:
		return schemas.OpDelete
	}
	return schemas.OpUpdate
}

// opOfKnown is op for a row that is compared with what was told of it: in a snapshot that is a reconcile, also where the table itself
// is read for the first time. A difference is no baseline.
func (m *machine) opOfKnown(t decode.Table, op decode.Op) schemas.Op {
	if m.rows != nil {
		return schemas.OpReconcile
	}
	return m.op(t, op)
}

func (m *machine) storePosition(id string, image *positionImage) {
	m.scratch = image.appendTo(m.scratch[:0])
	m.store(decode.Positions, id, m.scratch)
	m.state.agenda.set(id, image.due())
}

func (m *machine) storeBlock(key string, image *blockImage) {
	m.scratch = image.appendTo(m.scratch[:0])
	m.store(decode.Blocks, key, m.scratch)
}

func (m *machine) store(t decode.Table, key string, image []byte) {
	m.state.images(t).put(bytesOf(key), image)
	m.out.touch(t, key, len(image))
}

func (m *machine) drop(t decode.Table, key string) {
	m.state.images(t).drop(bytesOf(key))
	if t == decode.Positions {
		m.state.agenda.set(key, 0)
	}
	m.out.touch(t, key, 0)
}
