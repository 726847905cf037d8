package simulate

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// lsn is a place in the WAL.
type lsn uint64

func (l lsn) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// table is a watched table as the catalog has it at one moment; what alters it makes another one.
type table struct {
	which   int // of the two
	name    string
	oid     uint32
	member  uint32 // OID in pg_publication_rel; 0 while the publication does not have it
	file    uint32 // its relfilenode
	altered uint32 // the transaction that has altered its columns last
	columns []column
	keys    []int // of its primary key, in a row

	histories map[*string][]byte // in documents of positions that were read
}

type column struct {
	name string
	oid  uint32
	kind string // as format_type has it
	at   int    // in a row
}

// row is the values of a row; nil is NULL. A column that is dropped leaves its place.
type row []*string

func (t *table) key(r row) string {
	key := ""
	for _, i := range t.keys {
		key += *r[i] + "\x00"
	}
	return key
}

// change is a row change, the end of all rows of a table, a logical message, or what becomes of a table or of the publication.
type change struct {
	table       *table
	op          byte         // 'I', 'U', 'D', 'T' for TRUNCATE, 'M' for a message, or 'C' for the catalog
	becomes     *table       // of a 'C' of a table: nil when it is dropped
	comment     string       // of a 'C' without a table: the publication's comment
	publication *publication // of a 'C' without a table: as it is made; nil for a comment
	ends        []change     // what a TRUNCATE or a DROP does, row by row
	was, is     row
	prefix      string
	content     string
	toastKept   bool // the update did not touch what is stored out of line
	loggedWas   []byte
	loggedIs    []byte
	entity      string
	isPosition  bool
}

// publication is one as it is made. One that is dropped is none.
type publication struct {
	oid     uint32
	members [2]uint32
}

// transaction is a committed one.
type transaction struct {
	commit, end lsn // the places of its commit record, and behind it
	at          time.Time
	xid         uint32
	changes     []change
	publication uint32 // which there is behind it
}

// String names what it changes.
func (t *transaction) String() string {
	var all []string
	for i := range t.changes {
		c := &t.changes[i]
		switch {
		case i == 4:
			return strings.Join(append(all, fmt.Sprintf("and %d more", len(t.changes)-i)), ", ")
		case c.op == 'M':
			all = append(all, "message "+c.prefix)
		case c.op == 'C':
			all = append(all, c.ddl())
		case c.op == 'T':
			all = append(all, fmt.Sprintf("T %s, of %d rows", c.table.name, len(c.ends)))
		default:
			all = append(all, fmt.Sprintf("%c %.60s", c.op, c.entity))
		}
	}
	return strings.Join(all, ", ")
}

// microsSince2000 is how Postgres counts time.
func microsSince2000(t time.Time) uint64 {
	return uint64(t.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Microseconds())
}

// encoder writes pgoutput, protocol version 1 (PostgreSQL manual, "Logical Replication Message Formats").
type encoder struct {
	major     int
	described map[uint32]bool // tables whose Relation message this session has had, and that are as it says
}

// messages returns the messages of a transaction; none from Postgres 15 on when it has nothing that is published. Before 18 the first row
// that is written without the publication is refused: what is before it comes.
func (e *encoder) messages(t *transaction) (all [][]byte, refused bool) {
	for i := range t.changes {
		c := &t.changes[i]
		e.invalidate(c)
		switch {
		case c.isOfRows() && t.publication == 0 && e.major < 18:
			return e.begun(t, all), true
		case c.op == 'M':
			all = append(all, message(c, t.commit))
		case c.isSent():
			if !e.described[c.table.oid] {
				e.described[c.table.oid] = true
				all = append(all, relation(c.table))
			}
			all = append(all, changed(c))
		}
	}
	for i := range t.changes { // once more: what the transaction did may have been cached before its end
		e.invalidate(&t.changes[i])
	}
	if all = e.begun(t, all); len(all) == 0 {
		return nil, false
	}
	end := binary.BigEndian.AppendUint64([]byte{'C', 0}, uint64(t.commit))
	end = binary.BigEndian.AppendUint64(end, uint64(t.end))
	return append(all, binary.BigEndian.AppendUint64(end, microsSince2000(t.at))), false
}

// begun puts the Begin message before those of a transaction; from Postgres 15 on it comes only with another one.
func (e *encoder) begun(t *transaction, all [][]byte) [][]byte {
	if len(all) == 0 && e.major >= 15 {
		return nil
	}
	begin := binary.BigEndian.AppendUint64([]byte{'B'}, uint64(t.commit))
	begin = binary.BigEndian.AppendUint64(begin, microsSince2000(t.at))
	return slices.Insert(all, 0, binary.BigEndian.AppendUint32(begin, t.xid))
}

// invalidate forgets which tables are described, as far as a change alters them. A change of the publication alters all of them
// from Postgres 15 to 17.
func (e *encoder) invalidate(c *change) {
	switch {
	case c.publication != nil:
		clear(e.described)
	case c.table == nil || (c.op != 'T' && c.op != 'C'):
	case c.becomes != nil && c.becomes.member != c.table.member && e.major >= 15 && e.major < 18:
		clear(e.described)
	default:
		delete(e.described, c.table.oid)
	}
}

// isSent reports whether a change is one that the publication brings.
func (c *change) isSent() bool { return c.isOfRows() && c.table.member != 0 }

// isOfRows reports whether it is a change of rows.
func (c *change) isOfRows() bool { return c.table != nil && c.op != 'C' }

func message(c *change, at lsn) []byte {
	m := binary.BigEndian.AppendUint64([]byte{'M', 1}, uint64(at))
	m = append(append(m, c.prefix...), 0)
	m = binary.BigEndian.AppendUint32(m, uint32(len(c.content)))
	return append(m, c.content...)
}

func relation(t *table) []byte {
	m := binary.BigEndian.AppendUint32([]byte{'R'}, t.oid)
	m = append(append(append(m, "public\x00"...), t.name...), 0, 'd')
	m = binary.BigEndian.AppendUint16(m, uint16(len(t.columns)))
	for _, c := range t.columns {
		flags := byte(0)
		if slices.Contains(t.keys, c.at) {
			flags = 1
		}
		m = append(append(append(m, flags), c.name...), 0)
		m = binary.BigEndian.AppendUint32(m, c.oid)
		m = binary.BigEndian.AppendUint32(m, 0xffffffff)
	}
	return m
}

func changed(c *change) []byte {
	if c.op == 'T' {
		return binary.BigEndian.AppendUint32([]byte{'T', 0, 0, 0, 1, 0}, c.table.oid)
	}
	m := binary.BigEndian.AppendUint32([]byte{c.op}, c.table.oid)
	switch c.op {
	case 'I':
		return tuple(append(m, 'N'), c.table, c.is, "")
	case 'D':
		return tuple(append(m, 'K'), c.table, keyOnly(c.table, c.was), "")
	}
	if c.table.key(c.was) != c.table.key(c.is) {
		m = tuple(append(m, 'K'), c.table, keyOnly(c.table, c.was), "")
	}
	kept := ""
	if c.toastKept {
		kept = "features"
	}
	return tuple(append(m, 'N'), c.table, c.is, kept)
}

func keyOnly(t *table, r row) row {
	key := make(row, len(r))
	for _, i := range t.keys {
		key[i] = r[i]
	}
	return key
}

// tuple appends a row in the order of the columns. A kept column is one that the update did not touch out of line.
func tuple(m []byte, t *table, r row, kept string) []byte {
	m = binary.BigEndian.AppendUint16(m, uint16(len(t.columns)))
	for _, c := range t.columns {
		switch v := r.value(c); {
		case c.name == kept:
			m = append(m, 'u')
		case v == nil:
			m = append(m, 'n')
		default:
			m = binary.BigEndian.AppendUint32(append(m, 't'), uint32(len(*v)))
			m = append(m, *v...)
		}
	}
	return m
}

// value returns what a row has in a column, which may have come later than the row.
func (r row) value(c column) *string {
	if c.at >= len(r) {
		return nil
	}
	return r[c.at]
}
