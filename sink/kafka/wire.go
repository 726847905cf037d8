package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/segmentio/kafka-go/protocol"
)

// The library has Produce up to version 8 and EndTxn up to version 3, and takes one version of a message for every request
// of a connection. Transactions of version 2 need Produce 12 and EndTxn 5, but only while the cluster has them switched on. So
// these messages travel over the library's connections in bytes of our own: they are its RawExchangers. All of them are
// "flexible" ones (KIP-482).

// maxAnswer bounds what a length word may ask for. An answer has some sixty bytes for each partition.
const maxAnswer = 16 << 20

// correlations number the requests of our own.
var correlations atomic.Int32

// frames are buffers of requests. One is in use only while a request is being written.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// exchange writes one request, whose body appendBody appends, and returns the body of its answer.
func exchange(rw io.ReadWriter, key protocol.ApiKey, version int16, appendBody func([]byte) []byte) (*answer, error) {
	correlation := correlations.Add(1)
	buffer := frames.Get().(*[]byte)
	defer frames.Put(buffer)
	b := append((*buffer)[:0], 0, 0, 0, 0) // its length
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(correlation))
	b = binary.BigEndian.AppendUint16(b, uint16(len(clientID))) // of all strings this one alone is not compact
	b = append(append(b, clientID...), noTags)
	b = appendBody(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	*buffer = b
	if _, err := rw.Write(b); err != nil {
		return nil, err
	}
	return readAnswer(rw, key, correlation)
}

func readAnswer(r io.Reader, key protocol.ApiKey, correlation int32) (*answer, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int32(binary.BigEndian.Uint32(head[:]))
	if size < 4 || size > maxAnswer {
		return nil, fmt.Errorf("answer to %s of %d bytes", key, size)
	}
	a := &answer{data: make([]byte, size-4)}
	if _, err := io.ReadFull(r, a.data); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != correlation {
		return nil, fmt.Errorf("answer %d to request %d (%s)", got, correlation, key)
	}
	if key != protocol.ApiVersions { // whose answers an old client must be able to read
		a.tags()
	}
	return a, a.err
}

// noTags ends a structure that has no tagged fields.
const noTags = 0

// appendCompact appends a compact string. Its length is one more than it is: 0 stands for null.
func appendCompact(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))+1), s...)
}

var errAnswer = errors.New("a broker's answer ends early")

// answer reads the body of an answer; err stays set after the first failure, and all values are zero then.
type answer struct {
	data []byte
	err  error
}

func (a *answer) take(n uint64) []byte {
	if n > uint64(len(a.data)) {
		a.err, a.data = errAnswer, nil
		return nil
	}
	taken := a.data[:n]
	a.data = a.data[n:]
	return taken
}

func (a *answer) int16() int16 {
	if b := a.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (a *answer) int32() int32 {
	if b := a.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (a *answer) int64() int64 {
	if b := a.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (a *answer) uvarint() uint64 {
	v, n := binary.Uvarint(a.data)
	if n <= 0 {
		a.err, a.data = errAnswer, nil
		return 0
	}
	a.data = a.data[n:]
	return v
}

// text reads a compact string; null is empty.
func (a *answer) text() string {
	if n := a.uvarint(); n > 0 {
		return string(a.take(n - 1))
	}
	return ""
}

// each calls read for every element of a compact array, until something is wrong.
func (a *answer) each(read func()) {
	for n := a.uvarint(); n > 1 && a.err == nil; n-- {
		read()
	}
}

// tags skips tagged fields.
func (a *answer) tags() { a.eachTag(func(uint64, *answer) {}) }

// eachTag calls read with every tagged field.
func (a *answer) eachTag(read func(tag uint64, field *answer)) {
	for n := a.uvarint(); n > 0 && a.err == nil; n-- {
		tag := a.uvarint()
		field := &answer{data: a.take(a.uvarint())}
		if read(tag, field); field.err != nil {
			a.err = field.err
		}
	}
}
