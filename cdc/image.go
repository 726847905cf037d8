package cdc

import (
	"encoding/binary"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// remembered is how many distinct reported values an image keeps for each key. The bound is part of the contract, so
// that a restart changes nothing.
const remembered = 8

// seen is a value that was reported for a key.
type seen struct {
	digest       jsonb.Digest
	first        place // the event that reported it
	revertedFrom bool  // a later change took it back
}

// memory is what an image keeps of one key beyond its current value.
type memory struct {
	newest decode.Micros  // greatest timestamp reported that was not in the future then
	dated  bool           // newest holds one
	exit   bool           // of the last sell: newest is the timestamp of an emergency exit that was reported
	ahead  decode.Micros  // last timestamp reported that was in the future; 0 when there was none
	since  decode.Micros  // commit time of the change that made the current value; 0 when a baseline did
	values []seen         // the last distinct reported values, oldest first
	bad    []jsonb.Digest // the last distinct malformed values reported, oldest first
	isBad  bool           // the row holds what cannot be read, wholly or in part; good is what it was when it last could be
	good   []byte
}

func (m *memory) find(d jsonb.Digest) *seen {
	for i := range m.values {
		if m.values[i].digest == d {
			return &m.values[i]
		}
	}
	return nil
}

// remember adds a reported value, or leaves it as it was when it is known.
func (m *memory) remember(d jsonb.Digest, at place) {
	if m.find(d) != nil {
		return
	}
	if len(m.values) == remembered {
		m.values = append(m.values[:0], m.values[1:]...)
	}
	m.values = append(m.values, seen{digest: d, first: at})
}

// complain reports whether a malformed value is new, and remembers it.
func (m *memory) complain(d jsonb.Digest) bool {
	for _, known := range m.bad {
		if known == d {
			return false
		}
	}
	if len(m.bad) == remembered {
		m.bad = append(m.bad[:0], m.bad[1:]...)
	}
	m.bad = append(m.bad, d)
	return true
}

// imageVersion is the first byte of a position's image.
const (
	imageVersion       = 3
	secondImageVersion = 2 // it has no marks of the future and of exits, no wish of the engine and no waits
)

// The columns that a position's image keeps, in the order of its bytes. updated_at moves with every update and is
// never compared, so it is not kept.
var imageColumns = [...]int{decode.TokenChain, decode.TokenContract, decode.TokenTicker, decode.Timeframe, decode.BookID,
	decode.Status, decode.State, decode.CurrentTradeID, decode.TotalQuantity, decode.TotalAllocationUSD,
	decode.TotalExtractedUSD, decode.TotalTokensBought, decode.TotalTokensSold, decode.ClosedAt, decode.CloseReason,
	decode.CreatedAt}

// positionImage is what was last known of a position. In the state it stands as bytes; decoded, its slices are parts
// of those bytes, or of printed.
type positionImage struct {
	columns    [len(imageColumns)][]byte // text form, nil for NULL
	printed    []byte                    // text forms that the bytes do not hold as they stand
	completed  int64                     // elements of completed_trades
	incomplete bool                      // the history is not known: the row was first seen in an update that left it out
	freshTrade bool                      // a trade was opened and nothing has been executed in it
	wish       wish                      // the engine's flags
	history    []byte                    // pm_execution_history as last well-formed, nil when absent
	waits      waits                     // for what did not happen
	document   memory                    // malformed features, history or column values reported
	keys       [keyCount]memory
}

func (p *positionImage) column(c int) []byte {
	for i, column := range imageColumns {
		if column == c {
			return p.columns[i]
		}
	}
	return nil
}

func (p *positionImage) appendTo(dst []byte) []byte {
	dst = append(dst, imageVersion)
	for _, c := range p.columns {
		dst = appendText(dst, c)
	}
	dst = binary.AppendVarint(dst, p.completed)
	dst = appendBits(dst, p.incomplete, p.freshTrade, p.wish&exitPosition != 0, p.wish&emergencyExit != 0, p.waits.exit.since != 0)
	dst = appendOptional(dst, p.history)
	return p.appendMemories(p.waits.appendTo(dst))
}

// appendMemories appends which memories hold something, and those.
func (p *positionImage) appendMemories(dst []byte) []byte {
	var held uint64
	for i := range keyCount + 1 {
		if p.memory(i).bits() != 0 {
			held |= 1 << i
		}
	}
	dst = binary.AppendUvarint(dst, held)
	var last place
	for i := range keyCount + 1 {
		if held&(1<<i) != 0 {
			dst = p.memory(i).appendTo(dst, &last)
		}
	}
	return dst
}

// memory returns the memory of a key, or the document's behind the last one.
func (p *positionImage) memory(of key) *memory {
	if of == keyCount {
		return &p.document
	}
	return &p.keys[of]
}

// decode reads an image; its slices stay parts of data, which therefore no one may write to.
func (p *positionImage) decode(data []byte) error {
	r := &reader{data: data}
	switch v := r.byte(); {
	case r.err != nil:
	case v == imageVersion:
		p.read(r, true)
	case v == secondImageVersion:
		p.read(r, false)
		p.shortenColumns()
	case v == oldImageVersion:
		p.readOld(r)
		p.shortenColumns()
	default:
		return newerFormat(v, imageVersion)
	}
	return r.end()
}

// shortenColumns brings the texts of an older image into the form in which this version holds them.
func (p *positionImage) shortenColumns() {
	for i, text := range p.columns {
		p.columns[i] = shorten(text, maxText)
	}
}

// The bits of an image's flags.
const (
	isIncomplete = 1 << iota
	isFreshTrade
	wantsExit // two bits: a wish
	_
	isWanted // the exit is wanted of a position that is held: the engine's price counts
)

func wishIn(flags byte) wish { return wish(flags / wantsExit & 3) }

func (p *positionImage) read(r *reader, withWaits bool) {
	p.printed = p.printed[:0]
	for i := range p.columns {
		p.columns[i], p.printed = r.text(p.printed)
	}
	p.completed = r.varint()
	flags := r.byte()
	p.incomplete, p.freshTrade, p.wish = flags&isIncomplete != 0, flags&isFreshTrade != 0, wishIn(flags)
	p.history = r.optional()
	if p.waits = (waits{}); withWaits {
		p.waits.read(r)
	}
	held := r.uvarint()
	for i := range keyCount + 1 {
		if m := p.memory(i); held&(1<<i) != 0 {
			m.read(r)
		} else {
			m.clear()
		}
	}
}

// The bits that say which parts of a memory are there. Most memories are empty: one byte.
const (
	hasNewest = 1 << iota
	hasSince
	hasValues
	hasBad
	hasGood
	hasNoGood
	hasAhead
	isExit
)

func (m *memory) bits() byte {
	var b byte
	for bit, present := range [...]bool{m.dated, m.since != 0, len(m.values) > 0, len(m.bad) > 0,
		m.isBad && m.good != nil, m.isBad && m.good == nil, m.ahead != 0, m.exit} {
		if present {
			b |= 1 << bit
		}
	}
	return b
}

// appendTo appends a memory. last is the place that was appended before, and becomes the last one of this memory.
func (m *memory) appendTo(dst []byte, last *place) []byte {
	dst = append(dst, m.bits())
	if m.dated {
		dst = binary.AppendVarint(dst, int64(m.newest))
	}
	if m.ahead != 0 {
		dst = binary.AppendVarint(dst, int64(m.ahead))
	}
	if m.since != 0 {
		dst = binary.AppendVarint(dst, int64(m.since))
	}
	if len(m.values) > 0 {
		dst = append(dst, byte(len(m.values)))
		for _, s := range m.values {
			dst = s.appendTo(dst, *last)
			*last = s.first
		}
	}
	if len(m.bad) > 0 {
		dst = append(dst, byte(len(m.bad)))
		for _, d := range m.bad {
			dst = append(dst, d[:]...)
		}
	}
	if m.isBad && m.good != nil {
		dst = appendOptional(dst, m.good)
	}
	return dst
}

// clear forgets everything and keeps the room for more.
func (m *memory) clear() { *m = memory{values: m.values[:0], bad: m.bad[:0]} }

func (m *memory) read(r *reader) {
	m.clear()
	values, bad := m.values, m.bad
	bits := r.byte()
	m.dated, m.isBad = bits&hasNewest != 0, bits&(hasGood|hasNoGood) != 0
	if m.dated {
		m.newest = decode.Micros(r.varint())
	}
	m.exit = bits&isExit != 0
	if bits&hasAhead != 0 {
		m.ahead = decode.Micros(r.varint())
	}
	if bits&hasSince != 0 {
		m.since = decode.Micros(r.varint())
	}
	if bits&hasValues != 0 {
		for n := r.byte(); n > 0 && r.err == nil; n-- {
			values = append(values, r.seen())
		}
	}
	if bits&hasBad != 0 {
		for n := r.byte(); n > 0 && r.err == nil; n-- {
			bad = append(bad, r.digest())
		}
	}
	if bits&hasGood != 0 {
		m.good = r.optional()
	}
	m.values, m.bad = values, bad
}

// The bits that say what a remembered value leaves out. A baseline remembers all values at its own place, and an empty
// pool has no digest.
const (
	atStreamed = 1 << iota
	wasRevertedFrom
	hasNoDigest
	atLastPlace
)

// appendTo appends a value; last is the place of the one before.
func (s *seen) appendTo(dst []byte, last place) []byte {
	dst = appendBits(dst, s.first.streamed, s.revertedFrom, s.digest == jsonb.Digest{}, s.first == last)
	if (s.digest != jsonb.Digest{}) {
		dst = append(dst, s.digest[:]...)
	}
	if s.first == last {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(s.first.lsn))
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(s.first.change)), uint64(s.first.event))
}

func (r *reader) seen() (s seen) {
	if r.old {
		return r.oldSeen()
	}
	bits := r.byte()
	s.revertedFrom = bits&wasRevertedFrom != 0
	if bits&hasNoDigest == 0 {
		s.digest = r.digest()
	}
	if bits&atLastPlace == 0 {
		r.last = place{lsn: decode.LSN(r.uvarint()), streamed: bits&atStreamed != 0, change: uint32(r.uvarint()), event: uint32(r.uvarint())}
	}
	s.first = r.last
	return s
}
