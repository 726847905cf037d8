package cdc

import (
	"encoding/binary"
	"errors"
	"fmt"

	"lowcap-cdc/decode"
)

// errShort is what reading an image ends with when its bytes do.
var errShort = errors.New("image ends early")

// reader reads an image's bytes from front to back; err stays set after the first failure.
type reader struct {
	data []byte
	err  error
}

func (r *reader) take(n uint64) []byte {
	if r.err == nil && n > uint64(len(r.data)) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		if r.err == nil {
			r.err = errShort
		}
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
	return r.take(n - 1)
}

func (r *reader) digest() (d digest) {
	copy(d[:], r.take(uint64(len(d))))
	return d
}

func (r *reader) place() place {
	p := place{lsn: decode.LSN(r.uvarint())}
	p.streamed = r.byte() == 1
	p.change, p.event = uint32(r.uvarint()), uint32(r.uvarint())
	return p
}

// end reports the first failure, or bytes that nobody has read.
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

func appendPlace(dst []byte, p place) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.lsn))
	dst = appendBool(dst, p.streamed)
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(p.change)), uint64(p.event))
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}
