package cdc

import (
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// A snapshot that finds images is a reconcile: what the stream would have said between the checkpoint and the
// snapshot's consistent point is unknowable, what differs is reported.

// reportGap says which part of the stream was never seen.
func (m *Machine) reportGap() {
	from := m.state.Checkpoint
	c := m.streamChange()
	c.emit(&schemas.StreamGap{
		FromLSN:  from.LSN.String(),
		ToLSN:    m.tx.lsn,
		FromTime: formatInstant(from.Time),
		ToTime:   m.tx.time,
		Why:      m.gap,
	}, nil, nil, atCommit)
	m.tx.change++
}

func (m *Machine) streamChange() *change {
	slot := m.state.Checkpoint.Slot
	return &change{m: m, op: schemas.OpReconcile, entity: schemas.Stream{Slot: slot}, subject: slot, key: slot}
}

// passBlocks reports the blocks that are known and that the snapshot does not have: those whose keys sort before the
// row it has reached.
func (m *Machine) passBlocks(key string) {
	m.rows.compared++
	for len(m.rows.blocks) > 0 && m.rows.blocks[0] <= key {
		gone := m.rows.blocks[0]
		m.rows.blocks = m.rows.blocks[1:]
		if gone != key {
			m.deleteBlock(m.blockChange(gone, schemas.OpReconcile), gone)
			m.tx.change++
		}
	}
}

// passPositions does for positions what passBlocks does for blocks.
func (m *Machine) passPositions(id string) error {
	m.rows.compared++
	for len(m.rows.positions) > 0 && m.rows.positions[0] <= id {
		gone := m.rows.positions[0]
		m.rows.positions = m.rows.positions[1:]
		if gone == id {
			continue
		}
		if err := m.deletePosition(m.positionChange(gone, schemas.OpReconcile), gone); err != nil {
			return err
		}
		m.tx.change++
	}
	return nil
}

// finishComparison reports the rows behind the snapshot's last one, and closes a reconcile.
func (m *Machine) finishComparison() {
	if !m.rows.reconcile {
		return
	}
	for _, gone := range m.rows.blocks {
		m.dropReconciled(truncatedRow{decode.Blocks, gone})
	}
	for _, gone := range m.rows.positions {
		m.dropReconciled(truncatedRow{decode.Positions, gone})
	}
	c := m.streamChange()
	c.emit(&schemas.StreamReconciled{Rows: m.rows.compared, Differences: m.rows.differences - 1}, nil, nil, atCommit)
}

func (m *Machine) dropReconciled(row truncatedRow) {
	if row.table == decode.Blocks {
		m.deleteBlock(m.blockChange(row.key, schemas.OpReconcile), row.key)
	} else if err := m.deletePosition(m.positionChange(row.key, schemas.OpReconcile), row.key); err != nil {
		m.broken = err
	}
	m.tx.change++
}
