package cdc

import (
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// applyTruncate reports an emptied table and each row that was in it. It returns false when the batch is full and rows
// are left; applied again, it goes on. A batch may be cut and the process end in between: the images of the rows that
// were reported are gone by then, so what is left is what is known, and the count of events done tells their ordinals.
func (m *Machine) applyTruncate(t *decode.Truncate) (done bool, err error) {
	if m.tx.truncating == nil {
		m.beginTruncate(t)
	}
	for len(m.tx.truncating) > 0 {
		if m.out.isFull() {
			return false, nil
		}
		row := m.tx.truncating[0]
		m.tx.truncating = m.tx.truncating[1:]
		if err := m.dropTruncated(row); err != nil {
			return false, err
		}
	}
	m.tx.truncating, m.tx.events = nil, 0
	return true, nil
}

// truncatedRow is a known row of a table that was emptied.
type truncatedRow struct {
	table decode.Table
	key   string
}

func (m *Machine) beginTruncate(t *decode.Truncate) {
	if m.tx.change == m.tx.skip.Changes {
		m.tx.events = m.tx.skip.Events
	}
	fresh := m.tx.events == 0
	m.tx.truncating = []truncatedRow{}
	for _, table := range t.Tables {
		images := m.images(table)
		if fresh {
			m.reportTruncated(table, len(images))
		}
		for _, key := range sortedKeys(images) {
			m.tx.truncating = append(m.tx.truncating, truncatedRow{table, key})
		}
	}
}

func (m *Machine) reportTruncated(t decode.Table, rows int) {
	c := m.tableChange(t)
	c.op, c.event = schemas.OpTruncate, m.tx.events
	c.emit(&schemas.TableTruncated{Table: t.String(), Rows: uint64(rows)}, nil, nil, atCommit)
	m.tx.events = c.event
}

func (m *Machine) dropTruncated(row truncatedRow) (err error) {
	c := m.blockChange(row.key, schemas.OpTruncate)
	if row.table == decode.Positions {
		c = m.positionChange(row.key, schemas.OpTruncate)
	}
	c.event = m.tx.events
	if row.table == decode.Blocks {
		m.deleteBlock(c, row.key)
	} else {
		err = m.deletePosition(c, row.key)
	}
	m.tx.events = c.event
	return err
}
