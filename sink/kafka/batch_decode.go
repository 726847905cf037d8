package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/segmentio/kafka-go"
)

// recordBatch is a record batch of format v2 (Kafka protocol guide, "Record Batch"): what encoder.batch makes, read back.
type recordBatch struct {
	base     int64 // offset of its first record, also of one that was compacted away
	last     int64 // offset of its last record
	producer int64
	control  bool // it holds the end of a transaction and nothing else
	codec    int
	count    int
	records  []byte // as they were sent
}

const (
	controlBatch   = 1 << 5
	codecMask      = 7
	maxRecordCount = 1 << 24
)

var errBatch = errors.New("broken record batch")

// nextBatch reads the first batch of data and returns what follows it. ok is false where no whole batch is left: a
// broker cuts an answer at its size.
func nextBatch(data []byte) (b recordBatch, rest []byte, ok bool, err error) {
	if len(data) < batchLengthBefore {
		return b, nil, false, nil
	}
	size := int(int32(binary.BigEndian.Uint32(data[8:]))) + batchLengthBefore
	if len(data) < size || size < batchLengthBefore {
		return b, nil, false, nil
	}
	if size < batchHeader || data[16] != 2 {
		return b, nil, false, fmt.Errorf("%w: %d bytes, format %d", errBatch, size, data[min(16, len(data)-1)])
	}
	head := data[:size]
	if sum := crc32.Checksum(head[castagnoliStart:], castagnoli); sum != binary.BigEndian.Uint32(head[17:]) {
		return b, nil, false, fmt.Errorf("%w: CRC-32C is %08x, the batch says %08x", errBatch, sum, binary.BigEndian.Uint32(head[17:]))
	}
	attributes := binary.BigEndian.Uint16(head[21:])
	b = recordBatch{
		base:     int64(binary.BigEndian.Uint64(head)),
		producer: int64(binary.BigEndian.Uint64(head[43:])),
		control:  attributes&controlBatch != 0,
		codec:    int(attributes & codecMask),
		count:    int(int32(binary.BigEndian.Uint32(head[57:]))),
		records:  head[batchHeader:],
	}
	b.last = b.base + int64(int32(binary.BigEndian.Uint32(head[23:])))
	if b.count < 0 || b.count > maxRecordCount || b.last < b.base {
		return b, nil, false, fmt.Errorf("%w: %d records", errBatch, b.count)
	}
	return b, data[size:], true, nil
}

// each calls visit with every record's offset, key and value, nil where there is none, and its headers as they stand there. They
// stay valid. A batch that holds something else, or more than limit bytes, is errBatch.
func (b *recordBatch) each(limit int, visit func(offset int64, key, value, headers []byte) error) error {
	data, err := b.uncompressed(limit)
	if err != nil {
		return fmt.Errorf("%w at offset %d: %w", errBatch, b.base, err)
	}
	r := varReader{data: data}
	for range b.count {
		body := varReader{data: r.bytes()}
		body.skip(1)  // attributes, none defined
		body.varint() // timestamp
		offset := b.base + body.varint()
		key, value := body.bytes(), body.bytes()
		if r.err != nil || body.err != nil {
			return fmt.Errorf("%w at offset %d: a record ends early", errBatch, b.base)
		}
		if err := visit(offset, key, value, body.data); err != nil {
			return err
		}
	}
	return nil
}

var errTooLarge = errors.New("too large without its compression")

// uncompressed returns the records' bytes. A few bytes of a stranger may claim, and become, gigabytes.
func (b *recordBatch) uncompressed(limit int) ([]byte, error) {
	switch b.codec {
	case 0:
		return b.records, nil
	case snappy:
		return unsnappy(b.records, limit)
	}
	codec := kafka.Compression(b.codec).Codec() // a topic's own compression.type
	if codec == nil {
		return nil, fmt.Errorf("compression %d is unknown", b.codec)
	}
	reader := codec.NewReader(bytes.NewReader(b.records))
	defer reader.Close() //nolint:errcheck // it reads from memory
	data, err := io.ReadAll(io.LimitReader(reader, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = errTooLarge
	}
	return data, err
}

// xerial begins the framing that Java's client puts around snappy blocks: eight bytes, two versions, and then blocks
// with their lengths in front.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

func unsnappy(data []byte, limit int) ([]byte, error) {
	if !bytes.HasPrefix(data, xerial) {
		return unsnappyBlock(data, limit)
	}
	var all []byte
	for data = data[min(len(data), len(xerial)+8):]; len(data) >= 4; {
		size := int(binary.BigEndian.Uint32(data))
		if size > len(data)-4 {
			break
		}
		block, err := unsnappyBlock(data[4:4+size], limit-len(all))
		if err != nil {
			return nil, err
		}
		all, data = append(all, block...), data[4+size:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%d bytes left behind the last snappy block", len(data))
	}
	return all, nil
}

func unsnappyBlock(data []byte, limit int) ([]byte, error) {
	size, err := s2.DecodedLen(data)
	if err == nil && size > limit {
		err = errTooLarge
	}
	if err != nil {
		return nil, err
	}
	return s2.Decode(nil, data)
}

// varReader reads the variable-length parts of a record; err stays set after the first failure.
type varReader struct {
	data []byte
	err  error
}

func (r *varReader) varint() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.err, r.data = errBatch, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *varReader) skip(n int) {
	if n > len(r.data) {
		r.err, n = errBatch, len(r.data)
	}
	r.data = r.data[n:]
}

// bytes reads a length and as many bytes; a length of -1 is nil.
func (r *varReader) bytes() []byte {
	n := r.varint()
	if n < 0 || n > int64(len(r.data)) {
		if n != -1 {
			r.err = errBatch
		}
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}
