package decode

import "fmt"

// ColumnError says that a watched table has not got a column without which its changes mean nothing, or has it in a form
// that cannot be read.
type ColumnError struct {
	Table, Column, Why string
}

func (e *ColumnError) Error() string {
	return fmt.Sprintf(
		"table %q: column %q %s; make it again as the source's schema has it, then run: lowcap-cdc reconcile",
		e.Table,
		e.Column,
		e.Why,
	)
}

// Column is a column of a table, as a Relation message or the catalog describes it.
type Column struct {
	Name     string
	Type     uint32 // OID in pg_type
	TypeName string // in words; empty where only the OID is known
	Identity bool   // it is of the replica identity; REPLICA IDENTITY FULL makes this true of all
	Left     string // why the stream leaves the column out; empty when it brings it
}

// typeName names the column's type for an operator.
func (c *Column) typeName() string {
	if c.TypeName != "" {
		return c.TypeName
	}
	if name, known := typeNames[c.Type]; known {
		return name
	}
	return fmt.Sprintf("a type (OID %d)", c.Type)
}

// typeNames names the types that a watched column may have been changed into (pg_type.dat).
var typeNames = map[uint32]string{
	boolOID: "boolean", timestamptzOID: "timestamp with time zone", jsonbOID: "jsonb", 17: "bytea", 20: "bigint", 21: "smallint",
	23: "integer", 25: "text", 114: "json", 700: "real", 701: "double precision", 1042: "character", 1043: "character varying",
	1082: "date", 1114: "timestamp without time zone", 1700: "numeric", 2950: "uuid",
}

// relation binds a table's columns, in the order of the wire, to the places of a row.
type relation struct {
	table Table
	named bool  // it has the table's name; otherwise it is the table while that is followed by its OID
	index []int // see Bind
}

// tableOf returns which watched table a relation is, 0 for none.
func (d *Decoder) tableOf(id uint32, r relation) Table {
	if r.named || (r.table != 0 && d.followed[r.table] == id) {
		return r.table
	}
	return 0
}

// decodeRelation handles a Relation message: it precedes the first change of a table and the first one after any DDL.
func (d *Decoder) decodeRelation(c *cursor) error {
	id := c.uint32()
	table := d.tableNamed(string(c.text()), string(c.text()))
	named := table != 0
	if !named {
		table = d.tableFollowed(id)
	}
	c.uint8() // replica identity: what it means for a column is in the column's flags
	columns := make([]Column, 0, 64)
	for n := c.uint16(); n > 0 && c.err == nil; n-- {
		column := Column{Identity: c.uint8()&1 != 0, Name: string(c.text()), Type: c.uint32()}
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
	index, err := Bind(table, columns)
	if err != nil && named {
		return err
	}
	if err != nil {
		table = 0 // it was renamed and changed: it is another table now
	}
	d.relations[id] = relation{table, named, index}
	return nil
}

func (d *Decoder) tableFollowed(id uint32) Table {
	for _, t := range Tables {
		if id != 0 && d.followed[t] == id {
			return t
		}
	}
	return 0
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

// Bind judges the columns of a table and returns, for each of them, its place in the table's row; -1 where the column is
// not watched or the stream leaves it out. A required column that is missing or cannot be read is a *ColumnError. The
// stream and whoever looks at the catalog before it begins judge by this function, so that they agree.
func Bind(table Table, found []Column) ([]int, error) {
	columns := columnsOf(table)
	index, present := make([]int, len(found)), make([]bool, len(columns))
	for wire, c := range found {
		index[wire] = -1
		for i, want := range columns {
			if c.Name != want.name {
				continue
			}
			if why := want.mismatch(&c); why != "" {
				return nil, &ColumnError{table.String(), c.Name, why}
			}
			if present[i] = true; c.Left == "" {
				index[wire] = i
			}
		}
	}
	for i, want := range columns {
		if want.required && !present[i] {
			return nil, &ColumnError{table.String(), want.name, "is missing"}
		}
	}
	return index, nil
}

// mismatch says why a column of the table cannot be the watched one.
func (c *column) mismatch(found *Column) string {
	switch {
	case found.Left != "" && c.required:
		return found.Left
	case c.oid != 0 && found.Type != c.oid:
		return fmt.Sprintf("has type %s instead of %s", found.typeName(), typeNames[c.oid])
	case c.key && !found.Identity:
		return "is not in the replica identity (alter table ... replica identity default)"
	}
	return ""
}
