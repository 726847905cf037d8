package decode

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// maxContent is how much of a logical message's content is kept when the message is sifted, in bytes: an annotation is
// bounded further by whoever publishes it, and a marker is shorter.
const maxContent = 64 << 10

// maxPrefix is longer than the prefix of any message that is wanted, in bytes.
const maxPrefix = 64

// spare is how much room is made for the values behind a large one, in bytes: to move that one again costs its size.
const spare = 1 << 20

// Sieve reads pgoutput messages that are too large to be kept, and keeps what a Decoder wants of them: the watched columns
// of the watched tables, and the beginning of the messages that it knows. What it gives is a message of the same kind. Like
// the Decoder it has to see every Relation message. It is not safe for concurrent use.
type Sieve struct {
	relations *Decoder // knows the tables
	from      *bufio.Reader
	left      int // bytes of the message that were not read
	kept      []byte
	old       []span // large values of the old row
	err       error
}

// span is where a column's value lies in what was kept, from its kind on.
type span struct{ column, start, end int }

// NewSieve returns a sieve for the watched tables of a schema.
func NewSieve(schema string) *Sieve { return &Sieve{relations: NewDecoder(schema)} }

// Follow is Decoder.Follow.
func (s *Sieve) Follow(t Table, oid uint32) { s.relations.Follow(t, oid) }

// Note takes in a message that was read whole. Only Relation messages matter; one that cannot be read is the Decoder's to
// report.
func (s *Sieve) Note(message []byte) {
	if len(message) > 0 && message[0] == 'R' {
		s.relations.Decode(message) //nolint:errcheck // see above
	}
}

// Sift reads a message of so many bytes and appends to kept what is wanted of it.
func (s *Sieve) Sift(kept []byte, from *bufio.Reader, size int) ([]byte, error) {
	*s = Sieve{relations: s.relations, from: from, left: size, kept: kept, old: s.old[:0]}
	switch kind := s.copy(1); {
	case s.err != nil:
	case kind[0] == 'M':
		s.message()
	case kind[0] == 'I' || kind[0] == 'U' || kind[0] == 'D':
		s.change(kind[0])
	default:
		s.copy(s.left)
	}
	if s.err == nil {
		s.skip(s.left)
	}
	kept, s.kept, s.from = s.kept, nil, nil
	if s.err != nil {
		return kept, fmt.Errorf("sift a message of %d bytes: %w", size, s.err)
	}
	return kept, nil
}

// message keeps the beginning of a logical message with a prefix that is known, and of any other an empty one.
func (s *Sieve) message() {
	flags := s.copy(1)
	s.copy(8) // LSN
	if s.err != nil {
		return
	}
	transactional, start := flags[0] == 1, len(s.kept)
	for len(s.kept)-start <= maxPrefix {
		if b := s.copy(1); s.err != nil || b[0] == 0 {
			break
		}
	}
	prefix := string(s.kept[start:])
	if !transactional || (prefix != AnnotationPrefix+"\x00" && prefix != MarkerPrefix+"\x00") {
		s.kept = append(s.kept[:start], 0, 0, 0, 0, 0) // no prefix, no content
		return
	}
	length := len(s.kept)
	s.copy(4)
	s.copy(min(s.left, maxContent))
	if s.err == nil {
		binary.BigEndian.PutUint32(s.kept[length:], uint32(len(s.kept)-length-4))
	}
}

// change keeps the watched columns of a row change, and nothing but its kind of another table's.
func (s *Sieve) change(kind byte) {
	id := s.copy(4)
	if s.err != nil {
		return
	}
	of := binary.BigEndian.Uint32(id)
	r := s.relations.relations[of]
	if s.relations.tableOf(of, r) == 0 {
		return
	}
	tag := s.copy(1)
	if s.err == nil && tag[0] != 'N' {
		s.tuple(r.index, true)
		if kind == 'D' || s.err != nil {
			return
		}
		s.copy(1)
	}
	s.tuple(r.index, false)
}

// tuple keeps the watched columns of a row, and NULL for the others.
func (s *Sieve) tuple(index []int, old bool) {
	count := s.copy(2)
	if s.err != nil {
		return
	}
	for i := range int(binary.BigEndian.Uint16(count)) {
		start := len(s.kept)
		kind := s.copy(1)
		if s.err != nil || kind[0] != 't' {
			continue
		}
		length := s.copy(4)
		if s.err != nil {
			return
		}
		size := int(binary.BigEndian.Uint32(length))
		if i >= len(index) || index[i] < 0 {
			s.kept = append(s.kept[:start], 'n')
			s.skip(size)
			continue
		}
		if !old {
			start -= s.forget(i)
		}
		if s.copy(size); old && size > hugeText {
			s.old = append(s.old, span{i, start, len(s.kept)})
		}
	}
}

// forget gives up a large value of the old row when the new row has one in its place, and returns how much was given up.
// The two together would be more than a row.
func (s *Sieve) forget(column int) int {
	for at, v := range s.old {
		if v.column != column {
			continue
		}
		s.kept[v.start] = 'u'
		s.kept = append(s.kept[:v.start+1], s.kept[v.end:]...)
		freed := v.end - v.start - 1
		s.old = append(s.old[:at], s.old[at+1:]...)
		for later := at; later < len(s.old); later++ {
			s.old[later].start, s.old[later].end = s.old[later].start-freed, s.old[later].end-freed
		}
		return freed
	}
	return 0
}

// copy keeps the next n bytes and returns them, nil after an error. They are valid until the next call.
func (s *Sieve) copy(n int) []byte {
	if s.err == nil && (n < 0 || n > s.left) {
		s.err = fmt.Errorf("message ends early: %d bytes wanted, %d left", n, s.left)
	}
	if s.err != nil {
		return nil
	}
	start := len(s.kept)
	if cap(s.kept)-start < n {
		grown := make([]byte, start, start+n+min(s.left-n, spare))
		copy(grown, s.kept)
		s.kept = grown
	}
	s.kept = s.kept[:start+n]
	s.left -= n
	_, s.err = io.ReadFull(s.from, s.kept[start:])
	return s.kept[start:]
}

// skip passes over the next n bytes.
func (s *Sieve) skip(n int) {
	if s.err == nil && (n < 0 || n > s.left) {
		s.err = fmt.Errorf("message ends early: %d bytes wanted, %d left", n, s.left)
	}
	if s.err == nil {
		s.left -= n
		_, s.err = s.from.Discard(n)
	}
}
