package decode

import (
	"fmt"

	"github.com/jackc/pglogrepl"
)

// ColumnError says that a watched table lost a column without which its changes mean nothing, or has it in a type that
// cannot be read.
type ColumnError struct {
	Table, Column, Why string
}

func (e *ColumnError) Error() string {
	return fmt.Sprintf("table %q: column %q %s; make it again as the source's schema has it, then run: lowcap-cdc reconcile", e.Table, e.Column, e.Why)
}

// relation binds a table's columns, in the order of the wire, to the places of a row.
type relation struct {
	table Table
	slots []int // wire column -> index into the row, -1 where the column is not watched
}

// relation handles a Relation message: it precedes the first change of a table and the first one after any DDL.
func (d *Decoder) relation(data []byte) error {
	parsed, err := parse(data)
	if err != nil {
		return err
	}
	m, ok := parsed.(*pglogrepl.RelationMessage)
	if !ok {
		return fmt.Errorf("relation message is a %T", parsed)
	}
	table := d.watched(m.Namespace, m.RelationName)
	if table == 0 {
		d.relations[m.RelationID] = relation{}
		return nil
	}
	r, err := bind(table, m)
	if err != nil {
		return err
	}
	d.relations[m.RelationID] = r
	return nil
}

func (d *Decoder) watched(namespace, name string) Table {
	if namespace != d.schema {
		return 0
	}
	for _, t := range []Table{Blocks, Positions} {
		if name == t.String() {
			return t
		}
	}
	return 0
}

func bind(table Table, m *pglogrepl.RelationMessage) (relation, error) {
	columns := columnsOf(table)
	r := relation{table: table, slots: make([]int, len(m.Columns))}
	found := make([]bool, len(columns))
	for wire, c := range m.Columns {
		r.slots[wire] = -1
		for i, want := range columns {
			if c.Name != want.name {
				continue
			}
			if why := want.mismatch(c); why != "" {
				return relation{}, &ColumnError{table.String(), c.Name, why}
			}
			r.slots[wire], found[i] = i, true
		}
	}
	for i, want := range columns {
		if want.required && !found[i] {
			return relation{}, &ColumnError{table.String(), want.name, "is missing"}
		}
	}
	return r, nil
}

// mismatch says why a column of the table cannot be the watched one.
func (c *column) mismatch(found *pglogrepl.RelationMessageColumn) string {
	const isKey = 1 // the flag of a column of the replica identity; REPLICA IDENTITY FULL sets it for all
	switch {
	case c.oid != 0 && found.DataType != c.oid:
		return fmt.Sprintf("has type %d instead of %d", found.DataType, c.oid)
	case c.key && found.Flags&isKey == 0:
		return "is not in the replica identity (alter table ... replica identity default)"
	}
	return ""
}

// parse is pglogrepl.Parse for messages that are not on the hot path. Parse indexes without checking lengths, so a
// short message panics; here that is an error like any other.
func parse(data []byte) (m pglogrepl.Message, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			m, err = nil, fmt.Errorf("parse pgoutput message %q: truncated (%v)", data[:min(1, len(data))], cause)
		}
	}()
	return pglogrepl.Parse(data)
}
