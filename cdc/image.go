package cdc

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"lowcap-cdc/decode"
)

// remembered is how many distinct reported values an image keeps for each key. The bound is part of the contract, so
// that a restart changes nothing.
const remembered = 8

// seen is a value that was reported for a key.
type seen struct {
	digest       digest
	first        place // the event that reported it
	revertedFrom bool  // a later change took it back
}

// memory is what an image keeps of one key beyond its current value.
type memory struct {
	newest decode.Micros // greatest timestamp ever reported
	dated  bool          // newest holds one
	since  decode.Micros // commit time of the change that made the current value; 0 when a baseline did
	values []seen        // the last distinct reported values, oldest first
	bad    []digest      // the last distinct malformed values reported, oldest first
	isBad  bool          // the row holds a malformed value now, and good is the last well-formed one
	good   []byte
}

func (m *memory) find(d digest) *seen {
	for i := range m.values {
		if m.values[i].digest == d {
			return &m.values[i]
		}
	}
	return nil
}

// remember adds a reported value, or leaves it as it was when it is known.
func (m *memory) remember(d digest, at place) {
	if m.find(d) != nil {
		return
	}
	if len(m.values) == remembered {
		m.values = append(m.values[:0], m.values[1:]...)
	}
	m.values = append(m.values, seen{digest: d, first: at})
}

// complain reports whether a malformed value is new, and remembers it.
func (m *memory) complain(d digest) bool {
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

// imageVersion is the first byte of every image.
const imageVersion = 1

// The columns that a position's image keeps, in the order of its bytes. updated_at moves with every update and is
// never compared, so it is not kept.
var imageColumns = [...]int{decode.TokenChain, decode.TokenContract, decode.TokenTicker, decode.Timeframe, decode.BookID,
	decode.Status, decode.State, decode.CurrentTradeID, decode.TotalQuantity, decode.TotalAllocationUSD,
	decode.TotalExtractedUSD, decode.TotalTokensBought, decode.TotalTokensSold, decode.ClosedAt, decode.CloseReason,
	decode.CreatedAt}

// positionImage is what was last known of a position. In the state it stands as bytes; decoded, its slices are parts
// of those bytes.
type positionImage struct {
	columns    [len(imageColumns)][]byte // text form, nil for NULL
	completed  int64                     // elements of completed_trades
	incomplete bool                      // the history is not known: the row was first seen in an update that left it out
	freshTrade bool                      // a trade was opened and nothing has been executed in it
	history    []byte                    // pm_execution_history as last well-formed, nil when absent
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
		dst = appendOptional(dst, c)
	}
	dst = binary.AppendVarint(dst, p.completed)
	dst = appendBool(appendBool(dst, p.incomplete), p.freshTrade)
	dst = appendOptional(dst, p.history)
	dst = p.document.appendTo(dst)
	for i := range p.keys {
		dst = p.keys[i].appendTo(dst)
	}
	return dst
}

// decode reads an image; its slices stay parts of data, which therefore nobody may write to.
func (p *positionImage) decode(data string) error {
	r := &reader{data: unsafe.Slice(unsafe.StringData(data), len(data))}
	if v := r.byte(); r.err == nil && v != imageVersion {
		return fmt.Errorf("read position image: version %d is unknown", v)
	}
	for i := range p.columns {
		p.columns[i] = r.optional()
	}
	p.completed = r.varint()
	p.incomplete, p.freshTrade = r.byte() == 1, r.byte() == 1
	p.history = r.optional()
	p.document.read(r)
	for i := range p.keys {
		p.keys[i].read(r)
	}
	return r.end()
}

// The bits that say which parts of a memory are there. Most memories are empty: one byte.
const (
	hasNewest = 1 << iota
	hasSince
	hasValues
	hasBad
	hasGood
	hasNoGood
)

func (m *memory) bits() byte {
	var b byte
	for bit, present := range [...]bool{m.dated, m.since != 0, len(m.values) > 0, len(m.bad) > 0,
		m.isBad && m.good != nil, m.isBad && m.good == nil} {
		if present {
			b |= 1 << bit
		}
	}
	return b
}

func (m *memory) appendTo(dst []byte) []byte {
	dst = append(dst, m.bits())
	if m.dated {
		dst = binary.AppendVarint(dst, int64(m.newest))
	}
	if m.since != 0 {
		dst = binary.AppendVarint(dst, int64(m.since))
	}
	if len(m.values) > 0 {
		dst = append(dst, byte(len(m.values)))
		for _, s := range m.values {
			dst = appendBool(appendPlace(append(dst, s.digest[:]...), s.first), s.revertedFrom)
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

func (m *memory) read(r *reader) {
	values, bad := m.values[:0], m.bad[:0]
	bits := r.byte()
	*m = memory{dated: bits&hasNewest != 0, isBad: bits&(hasGood|hasNoGood) != 0}
	if m.dated {
		m.newest = decode.Micros(r.varint())
	}
	if bits&hasSince != 0 {
		m.since = decode.Micros(r.varint())
	}
	if bits&hasValues != 0 {
		for n := r.byte(); n > 0 && r.err == nil; n-- {
			values = append(values, seen{digest: r.digest(), first: r.place(), revertedFrom: r.byte() == 1})
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
