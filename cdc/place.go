package cdc

import (
	"fmt"
	"strconv"

	"lowcap-cdc/decode"
)

// place is where an event stands in the stream. It is a function of the WAL alone, so the same change gives the same
// place however often it is read.
type place struct {
	lsn      decode.LSN // the transaction's commit LSN, or a snapshot's consistent point
	streamed bool       // false for a snapshot: a transaction may commit exactly at its consistent point, and comes after
	change   uint32     // ordinal of the row change in its transaction
	event    uint32     // ordinal of the event in its change
}

// id prints the place readably: 7421.../0/16B3748/3/0, with a b before the change of a snapshot.
func (p place) id(systemID string) string {
	dst := make([]byte, 0, len(systemID)+40)
	dst = append(append(dst, systemID...), '/')
	dst = strconv.AppendUint(dst, uint64(p.lsn)>>32, 16)
	dst = append(dst, '/')
	dst = append(dst, fmt.Sprintf("%X", uint32(p.lsn))...)
	dst = append(dst, '/')
	if !p.streamed {
		dst = append(dst, 'b')
	}
	dst = append(strconv.AppendUint(dst, uint64(p.change), 10), '/')
	return string(strconv.AppendUint(dst, uint64(p.event), 10))
}

// sequence prints the place as 32 hexadecimal digits that sort as the places do.
func (p place) sequence() string {
	phase := 0
	if p.streamed {
		phase = 1
	}
	return fmt.Sprintf("%016X%d%08X%07X", uint64(p.lsn), phase, p.change, p.event)
}
