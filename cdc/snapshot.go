package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// A snapshot comes first of all, again after a slot was lost, and for a table that came back. Where it finds images it
// is a reconcile: what the stream would have said in between is unknowable, what differs is reported.

// snapshot follows a snapshot's rows beside the images, both in primary-key order.
type snapshot struct {
	begins      bool // the stream: it is the first one of all, or whole
	whole       bool // of a stream that was lost, not of a table that came back
	adopted     bool // of another server: its tables are those that are known, whatever they are numbered with
	proof       bool // that nothing is missing where a slot came along
	tables      [decode.Positions + 1]tableSnapshot
	publication uint32
	compared    uint64
	of          uint64 // how many rows it holds
	before      uint64 // number of the last event before its first row
}

// tableSnapshot is the part of one table. The zero value is for a table that the snapshot does not hold.
type tableSnapshot struct {
	id    decode.TableID
	op    schemas.Op
	fresh bool    // the images say nothing of its rows: they are of another table, or damaged
	keys  keyList // of images that the rows have not passed yet
}

// beginSnapshot compares the tables that a snapshot holds with those that are known, and says what became of them.
func (m *machine) beginSnapshot(b *decode.Begin) {
	first := m.state.isEmpty() && m.state.Checkpoint.LSN == 0
	m.rows = &snapshot{whole: !first && (m.gap != "" || m.adopting != nil), publication: b.Publication, of: b.Rows}
	unproved := m.state.Checkpoint.Adoption.proves()
	m.rows.begins = first || m.rows.whole
	m.rows.adopted, m.rows.proof = m.adopting != nil, unproved && !m.rows.whole
	switch {
	case m.rows.adopted:
		m.beginAdopted()
	case m.rows.proof:
		m.beginProof()
	case m.rows.whole && unproved:
		m.gapBetween(m.state.Checkpoint.Adoption.From, m.gap)()
	case m.rows.whole:
		m.reportGap(decode.Progress{LSN: m.state.Checkpoint.LSN, Time: m.state.Checkpoint.Time}, m.gap)
	}
	for _, t := range []decode.Table{decode.Blocks, decode.Positions} {
		switch {
		case b.Tables[t].OID != 0:
			m.beginTable(t, b.Tables[t], first)
		case first || m.rows.whole:
			m.reportMissing(t, "it does not exist", decode.Progress{LSN: b.CommitLSN, Time: b.CommitTime})
		}
	}
	m.rows.before = m.out.chain.Number
}

func (m *machine) beginTable(t decode.Table, id decode.TableID, first bool) {
	known, images := &m.state.Checkpoint.Tables[t], m.state.images(t)
	rows := &m.rows.tables[t]
	another := known.ID.OID != 0 && known.ID.OID != id.OID && !m.rows.adopted
	*rows = tableSnapshot{id: id, op: schemas.OpBaseline, fresh: another || m.damaged, keys: images.keys()}
	if m.rows.whole || (!first && known.ID.OID == id.OID) {
		rows.op = schemas.OpReconcile
	}
	if another {
		m.reportMissing(t, "it was dropped and created again", decode.Progress{LSN: m.state.Checkpoint.LSN, Time: m.state.Checkpoint.Time})
	}
	if !known.Missing {
		return
	}
	m.report(m.tableChange(t), &schemas.TablePresent{Table: t.String(), Why: "it exists and is in the publication"})
	if known.ID.OID == id.OID && !m.rows.adopted {
		m.reportGap(known.Since, "table "+t.String()+" was not in the publication")
	}
}

// applyGone notes that a table left the stream. Its images stay: they are what its rows are compared with when it
// comes back.
func (m *machine) applyGone(gone *decode.TableGone) {
	if m.state.Checkpoint.Tables[gone.Table].ID == gone.ID {
		m.reportMissing(gone.Table, gone.Why, gone.Since)
	}
}

func (m *machine) reportMissing(t decode.Table, why string, since decode.Progress) {
	known := &m.state.Checkpoint.Tables[t]
	if known.Missing {
		return
	}
	known.Missing, known.Since = true, since
	m.report(m.tableChange(t), &schemas.TableMissing{Table: t.String(), Why: why})
}

// reportGap says which part of the stream was never seen.
func (m *machine) reportGap(from decode.Progress, why string) {
	m.report(m.streamChange(), &schemas.StreamGap{FromLSN: from.LSN.String(), ToLSN: m.tx.lsn,
		FromTime: jsonb.FormatInstant(from.Time), ToTime: m.tx.time, Why: why})
}

// report emits an event that is a change of its own.
func (m *machine) report(c *change, data schemas.Data) {
	c.emit(data, nil, nil, atCommit)
	m.tx.change++
}

func (m *machine) streamChange() *change {
	slot := m.state.Checkpoint.Slot
	return &change{emitter: &m.emitter, op: schemas.OpReconcile, entity: schemas.Stream{Slot: slot}, subject: slot, key: slot}
}

func (m *machine) tableChange(t decode.Table) *change {
	name := t.String()
	return &change{emitter: &m.emitter, op: schemas.OpReconcile, entity: schemas.Table{Table: name}, subject: name, key: name}
}

// isFresh reports whether the snapshot that is being read is of another table than the images are.
func (m *machine) isFresh(t decode.Table) bool { return m.rows != nil && m.rows.tables[t].fresh }

// passTo reports the rows that are known and that the snapshot does not have: those whose keys sort before the row it
// has reached.
func (m *machine) passTo(t decode.Table, key string) error {
	rows := &m.rows.tables[t]
	m.rows.compared++
	for rows.keys.Len() > 0 {
		gone := rows.keys.first()
		if gone > key {
			return nil
		}
		rows.keys.pop()
		if gone == key {
			return nil
		}
		if err := m.dropGone(t, gone); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) dropGone(t decode.Table, key string) error {
	_, err := m.deleteKnown(t, key, schemas.OpReconcile, 0)
	m.tx.change++
	return err
}

// finishRows reports the rows behind the snapshot's last one. It returns false when the batch is full and rows are left.
func (m *machine) finishRows() (complete bool, err error) {
	for _, t := range []decode.Table{decode.Blocks, decode.Positions} {
		rows := &m.rows.tables[t]
		for ; rows.keys.Len() > 0; rows.keys.pop() {
			if m.out.isFull() {
				return false, nil
			}
			if err := m.dropGone(t, rows.keys.first()); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// finishSnapshot makes what the snapshot said what is known. Into a stream that goes on it brings only a table that was missing: what
// became unseen of the publication, or of another table, is still to be told.
func (m *machine) finishSnapshot() {
	checkpoint, begins := &m.state.Checkpoint, m.rows.begins
	for t, rows := range m.rows.tables {
		if known := &checkpoint.Tables[t]; rows.id.OID != 0 && (begins || known.Missing) {
			*known = TableState{ID: rows.id}
		}
	}
	if begins {
		checkpoint.Publication = m.rows.publication
	}
	checkpoint.Reconcile, m.gap, m.damaged = "", "", false
	checkpoint.Adoption, m.owed = nil, nil
	if m.rows.whole || m.rows.proof {
		m.report(m.streamChange(), &schemas.StreamReconciled{Rows: m.rows.compared, Differences: m.out.chain.Number - m.rows.before})
	}
}
