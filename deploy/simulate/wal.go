package simulate

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// lsn is a place in the WAL.
type lsn uint64

func (l lsn) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// table is a watched table as the catalog has it.
type table struct {
	name    string
	oid     uint32
	member  uint32 // OID in pg_publication_rel
	columns []column
	keys    []int // of its primary key, in columns

	histories map[*string][]byte // in documents of positions that were read
}

type column struct {
	name string
	oid  uint32
	kind string // as format_type has it
}

// row is the values of a row, in the order of the columns; nil is NULL.
type row []*string

func (t *table) key(r row) string {
	key := ""
	for _, i := range t.keys {
		key += *r[i] + "\x00"
	}
	return key
}

// change is a row change, the end of all rows of a table, or a logical message.
type change struct {
	table      *table
	op         byte     // 'I', 'U', 'D', 'T' for TRUNCATE, or 'M' for a message
	ends       []change // what a TRUNCATE does, row by row
	was, is    row
	prefix     string
	content    string
	toastKept  bool // the update did not touch what is stored out of line
	loggedWas  []byte
	loggedIs   []byte
	entity     string
	isPosition bool
}

// transaction is a committed one.
type transaction struct {
	commit, end lsn // the places of its commit record, and behind it
	at          time.Time
	xid         uint32
	changes     []change
}

// String names what it changes.
func (t *transaction) String() string {
	var all []string
	for i := range t.changes {
		c := &t.changes[i]
		switch {
		case i == 4:
			return strings.Join(append(all, fmt.Sprintf("and %d more", len(t.changes)-i)), ", ")
		case c.table == nil:
			all = append(all, "message "+c.prefix)
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
	described map[uint32]bool // tables whose Relation message this session has had
}

// messages returns the messages of a transaction.
func (e *encoder) messages(t *transaction) (all [][]byte) {
	begin := binary.BigEndian.AppendUint64([]byte{'B'}, uint64(t.commit))
	begin = binary.BigEndian.AppendUint64(begin, microsSince2000(t.at))
	all = append(all, binary.BigEndian.AppendUint32(begin, t.xid))
	for i := range t.changes {
		c := &t.changes[i]
		if c.op == 'M' {
			all = append(all, message(c, t.commit))
			continue
		}
		if !e.described[c.table.oid] {
			e.described[c.table.oid] = true
			all = append(all, relation(c.table))
		}
		all = append(all, changed(c))
	}
	end := binary.BigEndian.AppendUint64([]byte{'C', 0}, uint64(t.commit))
	end = binary.BigEndian.AppendUint64(end, uint64(t.end))
	return append(all, binary.BigEndian.AppendUint64(end, microsSince2000(t.at)))
}

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
	for i, c := range t.columns {
		flags := byte(0)
		for _, k := range t.keys {
			if k == i {
				flags = 1
			}
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
		return tuple(append(m, 'N'), c.is, nil)
	case 'D':
		return tuple(append(m, 'K'), keyOnly(c.table, c.was), nil)
	}
	if c.table.key(c.was) != c.table.key(c.is) {
		m = tuple(append(m, 'K'), keyOnly(c.table, c.was), nil)
	}
	var kept func(int) bool
	if c.toastKept {
		kept = func(i int) bool { return c.table.columns[i].name == "features" }
	}
	return tuple(append(m, 'N'), c.is, kept)
}

func keyOnly(t *table, r row) row {
	key := make(row, len(r))
	for _, i := range t.keys {
		key[i] = r[i]
	}
	return key
}

func tuple(m []byte, r row, kept func(int) bool) []byte {
	m = binary.BigEndian.AppendUint16(m, uint16(len(r)))
	for i, v := range r {
		switch {
		case kept != nil && kept(i):
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
