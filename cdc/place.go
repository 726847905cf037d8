package cdc

import (
	"math/bits"
	"strconv"

	"lowcap-cdc/decode"
)

// place is where an event stands in the history. It is a function of the WAL and of what was adopted, so the same change gives
// the same place however often it is read.
type place struct {
	lsn      decode.LSN // the transaction's commit LSN, or a snapshot's consistent point, plus the base of its era
	streamed bool       // false for a snapshot: a transaction may commit exactly at its consistent point, and comes after
	change   uint32     // ordinal of the row change in its transaction
	event    uint32     // ordinal of the event in its change
}

// appendID prints the place readably, as the server of its era names it: 7421.../0/16B3748/3/0, with a b before the change of a
// snapshot.
func (p place) appendID(dst []byte, era Era) []byte {
	lsn := p.lsn - era.Base
	dst = append(append(dst, era.System...), '/')
	dst = append(strconv.AppendUint(dst, uint64(lsn)>>32, 16), '/')
	dst = append(appendHex(dst, uint64(uint32(lsn)), 1), '/')
	if !p.streamed {
		dst = append(dst, 'b')
	}
	dst = append(strconv.AppendUint(dst, uint64(p.change), 10), '/')
	return strconv.AppendUint(dst, uint64(p.event), 10)
}

// appendSequence prints the place as 32 hexadecimal digits that sort as the places do.
func (p place) appendSequence(dst []byte) []byte {
	phase := byte('0')
	if p.streamed {
		phase = '1'
	}
	dst = append(appendHex(dst, uint64(p.lsn), 16), phase)
	return appendHex(appendHex(dst, uint64(p.change), 8), uint64(p.event), 7)
}

// appendHex appends a number in capital hexadecimal digits, with zeros in front of it where it has fewer than width.
func appendHex(dst []byte, n uint64, width int) []byte {
	digits := max(width, (bits.Len64(n)+3)/4)
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, "0123456789ABCDEF"[n>>(4*i)&15])
	}
	return dst
}
