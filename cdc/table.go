package cdc

import (
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// applyTruncate reports an emptied table and each row that was in it. It returns false when the batch is full and rows
// are left; applied again, it continues. A batch may be cut and the process end in between: the images of the rows that
// were reported are gone by then, so what is left is what is known, and the count of events done tells their ordinals.
func (m *machine) applyTruncate(t *decode.Truncate) (complete bool, err error) {
	if m.tx.truncating == nil {
		m.beginTruncate(t)
	}
	for i := range m.tx.truncating {
		for of := &m.tx.truncating[i]; of.left.Len() > 0; of.left.pop() {
			if m.out.isFull() {
				return false, nil
			}
			if m.tx.events, err = m.deleteKnown(of.table, of.left.first(), schemas.OpTruncate, m.tx.events); err != nil {
				return false, err
			}
		}
	}
	m.tx.truncating, m.tx.events = nil, 0
	return true, nil
}

// emptied is a table that was emptied, and the known rows that are left to report.
type emptied struct {
	table decode.Table
	left  keyList
}

func (m *machine) beginTruncate(t *decode.Truncate) {
	if m.tx.change == m.tx.skip.Changes {
		m.tx.events = m.tx.skip.Events
	}
	fresh := m.tx.events == 0
	m.tx.truncating = []emptied{}
	for _, table := range t.Tables {
		images := m.state.images(table)
		if fresh {
			m.reportTruncated(table, images.rows)
		}
		m.tx.truncating = append(m.tx.truncating, emptied{table, images.keys()})
	}
}

func (m *machine) reportTruncated(t decode.Table, rows int) {
	c := m.tableChange(t)
	c.op, c.event = schemas.OpTruncate, m.tx.events
	c.emit(&schemas.TableTruncated{Table: t.String(), Rows: uint64(rows)}, nil, nil, atCommit)
	m.tx.events = c.event
}

// deleteKnown reports that a known row is gone, in a change that has had so many events, and returns how many it has then.
func (m *machine) deleteKnown(t decode.Table, key string, op schemas.Op, events uint32) (uint32, error) {
	if t == decode.Blocks {
		c := m.blockChange(key, op)
		c.event = events
		m.deleteBlock(&c, key)
		return c.event, nil
	}
	c := m.positionChange(key, op)
	c.event = events
	err := m.deletePosition(&c)
	return c.event, err
}
