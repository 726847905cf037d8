package cdc

import (
	"encoding/binary"
	"errors"
	"fmt"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// What reading an image may end with.
var (
	errShort = errors.New("image ends early")
	errNewer = errors.New("image holds a word that is not known; it was written by a newer version")
)

// reader reads an image's bytes from front to back; err stays set after the first failure.
type reader struct {
	data []byte
	err  error
	last place // that was read
	old  bool  // the image is of the first version
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) next(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.fail(errShort)
	}
	if r.err != nil {
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.next(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// optional reads bytes that may be absent (nil).
func (r *reader) optional() []byte {
	n := r.uvarint()
	if n == 0 || r.err != nil {
		return nil
	}
	return r.next(n - 1)
}

func (r *reader) digest() (d jsonb.Digest) {
	copy(d[:], r.next(uint64(len(d))))
	return d
}

// end reports the first failure, or bytes that no one has read.
func (r *reader) end() error {
	if r.err == nil && len(r.data) > 0 {
		return fmt.Errorf("unexpected %d bytes left in image", len(r.data))
	}
	return r.err
}

func appendOptional(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 0)
	}
	return append(binary.AppendUvarint(dst, uint64(len(b))+1), b...)
}

func appendInstant(dst []byte, at decode.Micros) []byte { return binary.AppendVarint(dst, int64(at)) }

// appendBits appends up to eight answers as one byte, the first as its lowest bit.
func appendBits(dst []byte, answers ...bool) []byte {
	var b byte
	for bit, yes := range answers {
		if yes {
			b |= 1 << bit
		}
	}
	return append(dst, b)
}

func (r *reader) instant() decode.Micros { return decode.Micros(r.varint()) }

// appendPlace appends a place by itself; memories append theirs beside the one before.
func appendPlace(dst []byte, p place) []byte {
	dst = binary.AppendUvarint(appendBits(dst, p.streamed), uint64(p.lsn))
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(p.change)), uint64(p.event))
}

func (r *reader) place() (p place) {
	p.streamed, p.lsn = r.byte() == 1, decode.LSN(r.uvarint())
	p.change, p.event = uint32(r.uvarint()), uint32(r.uvarint())
	return p
}
