package pg

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"lowcap-cdc/decode"
)

// microsFrom1970To2000 is the distance between the Unix epoch and the Postgres epoch.
const microsFrom1970To2000 = 946684800 * 1000000

const (
	// chunkSize is how much is asked of the socket at once. A large read wakes the server's sender less often.
	chunkSize = 256 << 10
	// keepChunk is the largest buffer that is kept for reuse: one huge row must not stay in memory for ever.
	keepChunk = 4 * chunkSize
	// hugeChunk is the buffer from which memory is collected before the next one is made: two of them, and the collector's
	// patience, are more than the sidecar may take.
	hugeChunk = 8 << 20
	// siftFrom is the size of a message from which only what is wanted of it is kept.
	siftFrom = keepChunk
	// maxFrame bounds what a length word may ask for: Postgres cannot build a larger message.
	maxFrame = 1 << 30
)

// frame is one replication message: a pgoutput message, or a keepalive (data is nil).
type frame struct {
	data       []byte
	walEnd     decode.LSN
	time       decode.Micros
	wantsReply bool
}

// chunk is a run of complete protocol messages, read from the socket together.
type chunk struct {
	buffer []byte
	used   int   // bytes of complete messages
	at     int   // read position
	ahead  int64 // what it counts in stream.ahead
}

// next returns the next message of the chunk; ok is false at its end.
func (c *chunk) next() (kind byte, body []byte, ok bool) {
	if c.at >= c.used {
		return 0, nil, false
	}
	size := int(binary.BigEndian.Uint32(c.buffer[c.at+1:])) + 1
	kind, body = c.buffer[c.at], c.buffer[c.at+5:c.at+size]
	c.at += size
	return kind, body, true
}

// shrink gives up the buffer that a large message made, and reports whether it is worth collecting before the next one is made.
func (c *chunk) shrink() bool {
	size := cap(c.buffer)
	if size > keepChunk {
		c.buffer, c.used, c.at = nil, 0, 0
	}
	return size > hugeChunk
}

// reader cuts what a socket delivers into chunks. What is left of an incomplete message moves to the next chunk.
type reader struct {
	from  io.Reader
	sieve *decode.Sieve
	rest  []byte // the beginning of a message, in the previous chunk's buffer
}

// read fills a chunk with at least one complete message.
func (r *reader) read(c *chunk) error {
	c.buffer = append(c.buffer[:0], r.rest...)
	c.used, c.at, r.rest = 0, 0, nil
	for c.used == 0 {
		size, err := firstSize(c.buffer)
		if err != nil {
			return err
		}
		if size > siftFrom && c.buffer[0] == 'd' {
			return r.sift(c, size)
		}
		if free := cap(c.buffer) - len(c.buffer); free < size-len(c.buffer) || free == 0 {
			grown := make([]byte, len(c.buffer), max(size, 2*cap(c.buffer), chunkSize))
			copy(grown, c.buffer)
			c.buffer = grown
		}
		n, err := r.from.Read(c.buffer[len(c.buffer):cap(c.buffer)])
		c.buffer = c.buffer[:len(c.buffer)+n]
		if c.used = r.complete(c.buffer); err != nil && c.used == 0 {
			return err
		}
	}
	if r.rest = c.buffer[c.used:]; cap(c.buffer) > keepChunk {
		r.rest = bytes.Clone(r.rest) // or it would keep the huge buffer
	}
	return nil
}

// sift reads a large message, of which the chunk has the beginning, and keeps what is wanted. The rest is never in memory,
// so that a column that nobody reads, or a stranger's message, may be of any size.
func (r *reader) sift(c *chunk, size int) error {
	begun := bytes.Clone(c.buffer[messageHead:])
	from := bufio.NewReaderSize(io.LimitReader(io.MultiReader(bytes.NewReader(begun), r.from), int64(size-messageHead)), chunkSize)
	kept := c.buffer[:messageHead]
	for len(kept) < messageHead+walHead {
		b, err := from.ReadByte()
		if err != nil {
			return err
		}
		kept = append(kept, b)
	}
	var err error
	if kept[messageHead] != 'w' {
		return fmt.Errorf("message %q of %d bytes", kept[messageHead], size)
	}
	if kept, err = r.sieve.Sift(kept, from, size-len(kept)); err != nil {
		return fmt.Errorf("read replication stream: %w", err)
	}
	binary.BigEndian.PutUint32(kept[1:], uint32(len(kept)-1))
	c.buffer, c.used = kept, len(kept)
	return nil
}

// firstSize returns the length of the first message of a buffer, at least what is needed to know it.
func firstSize(buffer []byte) (int, error) {
	if len(buffer) < messageHead {
		return messageHead, nil
	}
	size := int(binary.BigEndian.Uint32(buffer[1:])) + 1
	if size < messageHead || size > maxFrame {
		return 0, fmt.Errorf("message of %d bytes", size)
	}
	return size, nil
}

// complete returns the length of the complete messages at the front of a buffer, and shows them to the sieve.
func (r *reader) complete(buffer []byte) int {
	at := 0
	for len(buffer)-at >= messageHead {
		size := int(binary.BigEndian.Uint32(buffer[at+1:])) + 1
		if size < messageHead || len(buffer)-at < size {
			break
		}
		if size > messageHead+walHead && buffer[at] == 'd' && buffer[at+messageHead] == 'w' {
			r.sieve.Note(buffer[at+messageHead+walHead : at+size])
		}
		at += size
	}
	return at
}

const (
	messageHead = 5  // kind and length of a protocol message
	walHead     = 25 // kind, two places and a time of a WAL message
)

// parseFrame reads the body of a CopyData message of the streaming replication protocol.
func parseFrame(body []byte) (frame, error) {
	if len(body) == 0 {
		return frame{}, fmt.Errorf("read replication stream: empty message")
	}
	switch kind := body[0]; {
	case kind == 'w' && len(body) >= 25:
		return frame{data: body[25:]}, nil
	case kind == 'k' && len(body) == 18:
		return frame{
			walEnd:     decode.LSN(binary.BigEndian.Uint64(body[1:])),
			time:       decode.Micros(int64(binary.BigEndian.Uint64(body[9:])) + microsFrom1970To2000),
			wantsReply: body[17] == 1,
		}, nil
	default:
		return frame{}, fmt.Errorf("read replication stream: message %q of %d bytes", kind, len(body))
	}
}

// serverError reads the body of an ErrorResponse.
func serverError(body []byte) error {
	var response pgproto3.ErrorResponse
	if err := response.Decode(body); err != nil {
		return fmt.Errorf("read error of server: %w", err)
	}
	return pgconn.ErrorResponseToPgError(&response)
}
