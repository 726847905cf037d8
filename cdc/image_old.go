package cdc

import "lowcap-cdc/decode"

// A position's image as the first version wrote it. A sink holds such until the row changes.

const oldImageVersion = 1

func (p *positionImage) readOld(r *reader) {
	r.old = true
	for i := range p.columns {
		p.columns[i] = r.optional()
	}
	p.completed = r.varint()
	p.incomplete, p.freshTrade = r.byte() == 1, r.byte() == 1
	p.history = r.optional()
	p.wish, p.waits = 0, waits{}
	p.document.read(r)
	for i := range p.keys {
		p.keys[i].read(r)
	}
}

func (r *reader) oldSeen() (s seen) {
	s.digest = r.digest()
	s.first.lsn = decode.LSN(r.uvarint())
	s.first.streamed = r.byte() == 1
	s.first.change, s.first.event = uint32(r.uvarint()), uint32(r.uvarint())
	s.revertedFrom = r.byte() == 1
	return s
}
