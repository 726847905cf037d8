package cdc

import (
	"fmt"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// due returns when the next thing of a position is due, 0 when nothing waits.
func (p *positionImage) due() (next decode.Micros) {
	w := &p.waits
	for _, at := range [...]decode.Micros{w.exit.due(), w.ended.due(), w.buys.due(), w.sells.due(), w.firstLossDue()} {
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	return next
}

func (e *endedExit) due() decode.Micros {
	if e.at == 0 {
		return 0
	}
	return e.at + recordWithin
}

func (w *waits) firstLossDue() decode.Micros {
	if len(w.losses) == 0 {
		return 0
	}
	return w.losses[0].at + recordWithin
}

// tellDue tells what is due when the open transaction commits, behind all of its changes. It returns false when the batch
// is full and something is left: called again, it continues. A batch may be cut and the process end in between: what was told
// is no longer due then, and the count of changes done tells the ordinals of the rest.
//
// A snapshot tells no time: it is no transaction of the stream. While the positions cannot be seen nothing is due of them,
// as an exit may have been made.
func (m *machine) tellDue() (complete bool, err error) {
	if m.tx.Snapshot || m.state.Checkpoint.Tables[decode.Positions].Missing {
		return true, nil
	}
	ids := m.state.agenda.until(m.tx.CommitTime)
	if len(ids) == 0 {
		return true, nil
	}
	m.tx.change = max(m.tx.change, m.tx.skip.Changes)
	m.tx.actor, m.tx.reason = nil, nil // nobody made the time pass
	for _, id := range ids {
		if m.out.isFull() {
			return false, nil
		}
		if err := m.tellDueOf(id); err != nil {
			return false, err
		}
		m.tx.change++
	}
	return true, nil
}

func (m *machine) tellDueOf(id string) error {
	data, _ := m.state.positions.get(bytesOf(id))
	if err := m.was.decode(data); err != nil {
		return fmt.Errorf("position %s: %w", id, err)
	}
	m.position = m.was
	image := &m.position
	c := m.positionChange(id, schemas.OpTime)
	c.describe(image)
	m.tellWaits(&c, image, m.tx.CommitTime)
	m.storePosition(id, image)
	return nil
}

// tellWaits tells what is due of a position at a time, in the order in which the contract names the types.
func (m *machine) tellWaits(c *change, image *positionImage, now decode.Micros) {
	isDue := func(at decode.Micros) bool { return at != 0 && at <= now }
	w := &image.waits
	if isDue(w.exit.due()) {
		c.emitPending(image)
	}
	if isDue(w.ended.due()) {
		c.emitSettled(&w.ended, "emptied")
		w.ended = endedExit{}
	}
	if isDue(w.buys.due()) {
		c.emitUnrecorded(&w.buys, buyBook, image)
	}
	if isDue(w.sells.due()) {
		c.emitUnrecorded(&w.sells, sellBook, image)
	}
	for isDue(w.firstLossDue()) {
		m.checkLoss(c, image)
	}
}

// tellLast tells what waits of a row that is gone: nothing will be recorded for it any more.
func (m *machine) tellLast(c *change, image *positionImage) {
	w := &image.waits
	for _, ended := range [...]endedExit{w.exit.settle(m.tx.CommitTime, image.column(decode.TotalQuantity)), w.ended} {
		if ended.event != (place{}) {
			c.emitSettled(&ended, "closed")
		}
	}
	w.exit, w.ended = wantedExit{}, endedExit{}
	m.tellWaits(c, image, 1<<62)
}
