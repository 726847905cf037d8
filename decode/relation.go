package decode

import "fmt"

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
	index []int // wire column -> index into the row, -1 where the column is not watched
}

// wireColumn is a column as a Relation message describes it.
type wireColumn struct {
	name     string
	identity bool // it is of the replica identity; REPLICA IDENTITY FULL sets this for all
	oid      uint32
}

// decodeRelation handles a Relation message: it precedes the first change of a table and the first one after any DDL.
func (d *Decoder) decodeRelation(c *cursor) error {
	id := c.uint32()
	table := d.tableNamed(string(c.text()), string(c.text()))
	c.uint8() // replica identity: what it means for a column is in the column's flags
	columns := make([]wireColumn, 0, 64)
	for n := c.uint16(); n > 0 && c.err == nil; n-- {
		column := wireColumn{identity: c.uint8()&1 != 0, name: string(c.text()), oid: c.uint32()}
		c.uint32() // type modifier
		columns = append(columns, column)
	}
	if err := c.end(); err != nil {
		return err
	}
	if table == 0 {
		d.relations[id] = relation{}
		return nil
	}
	r, err := bind(table, columns)
	if err != nil {
		return err
	}
	d.relations[id] = r
	return nil
}

func (d *Decoder) tableNamed(schema, name string) Table {
	if schema != d.schema {
		return 0
	}
	for _, t := range Tables {
		if name == t.String() {
			return t
		}
	}
	return 0
}

func bind(table Table, found []wireColumn) (relation, error) {
	columns := columnsOf(table)
	r := relation{table: table, index: make([]int, len(found))}
	present := make([]bool, len(columns))
	for wire, c := range found {
		r.index[wire] = -1
		for i, want := range columns {
			if c.name != want.name {
				continue
			}
			if why := want.mismatch(c); why != "" {
				return relation{}, &ColumnError{table.String(), c.name, why}
			}
			r.index[wire], present[i] = i, true
		}
	}
	for i, want := range columns {
		if want.required && !present[i] {
			return relation{}, &ColumnError{table.String(), want.name, "is missing"}
		}
	}
	return r, nil
}

// mismatch says why a column of the table cannot be the watched one.
func (c *column) mismatch(found wireColumn) string {
	switch {
	case c.oid != 0 && found.oid != c.oid:
		return fmt.Sprintf("has type %d instead of %d", found.oid, c.oid)
	case c.key && !found.identity:
		return "is not in the replica identity (alter table ... replica identity default)"
	}
	return ""
}
