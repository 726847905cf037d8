package cdc

import (
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// applyTruncate reports an emptied table and each row that was in it. It returns false when the batch is full and rows
// are left; applied again, it goes on. A batch may be cut and the process end in between: the images of the rows that
// were reported are gone by then, so what is left is what is known, and the count of events done tells their ordinals.
func (m *Machine) applyTruncate(t *decode.Truncate) bool {
	if m.tx.truncating == nil {
		m.beginTruncate(t)
	}
	for len(m.tx.truncating) > 0 {
		if m.out.isFull() {
			return false
		}
		row := m.tx.truncating[0]
		m.tx.truncating = m.tx.truncating[1:]
		m.dropTruncated(row)
	}
	m.tx.truncating, m.tx.events = nil, 0
	return true
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
		images := m.state.blocks
		if table == decode.Positions {
			images = m.state.positions
		}
		if fresh {
			m.reportTable(table, &schemas.TableTruncated{Table: table.String(), Rows: uint64(len(images))}, schemas.OpTruncate)
		}
		for _, key := range sortedKeys(images) {
			m.tx.truncating = append(m.tx.truncating, truncatedRow{table, key})
		}
	}
}

func (m *Machine) reportTable(table decode.Table, data schemas.Data, op schemas.Op) {
	c := &change{m: m, op: op, entity: schemas.Table{Table: table.String()}, subject: table.String(), key: table.String(), event: m.tx.events}
	c.emit(data, nil, nil, atCommit)
	m.tx.events = c.event
}

func (m *Machine) dropTruncated(row truncatedRow) {
	var c *change
	if row.table == decode.Blocks {
		c = m.blockChange(row.key, schemas.OpTruncate)
		c.event = m.tx.events
		m.deleteBlock(c, row.key)
	} else {
		c = m.positionChange(row.key, schemas.OpTruncate)
		c.event = m.tx.events
		if err := m.deletePosition(c, row.key); err != nil {
			m.broken = err
		}
	}
	m.tx.events = c.event
}
