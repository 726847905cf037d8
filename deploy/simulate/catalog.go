package simulate

import (
	"fmt"
	"maps"
	"slices"
)

// contents are what a database holds of the two tables and of the publication.
type contents struct {
	tables      [2]*table         // nil for one that is not there; it may have another name for a while
	rows        [2]map[string]row // by key
	publication uint32            // its OID; 0 while there is none
	comment     string            // of the publication
}

func newContents() contents {
	return contents{publication: firstPublication, tables: [2]*table{blocksTable(), positionsTable()}, rows: [2]map[string]row{make(map[string]row), make(map[string]row)}}
}

func (c *contents) clone() contents {
	return contents{tables: c.tables, rows: [2]map[string]row{maps.Clone(c.rows[0]), maps.Clone(c.rows[1])}, publication: c.publication,
		comment: c.comment}
}

// named returns the table that has the name of one of the two, nil when none has.
func (c *contents) named(which int) *table {
	if t := c.tables[which]; t != nil && t.name == tableNames[which] {
		return t
	}
	return nil
}

// apply makes a transaction visible.
func (c *contents) apply(t *transaction) {
	for i := range t.changes {
		change := &t.changes[i]
		switch change.op {
		case 'M':
		case 'C':
			c.alter(change)
		case 'T':
			c.truncate(change.table.which)
		default:
			of := c.rows[change.table.which]
			if change.was != nil {
				delete(of, change.table.key(change.was))
			}
			if change.is != nil {
				of[change.table.key(change.is)] = change.is
			}
		}
	}
}

func (c *contents) truncate(which int) {
	c.rows[which] = make(map[string]row)
	if c.tables[which] != nil {
		emptied := *c.tables[which]
		emptied.file++
		c.tables[which] = &emptied
	}
}

func (c *contents) alter(change *change) {
	switch {
	case change.publication != nil:
		c.publish(change.publication)
		return
	case change.relation() == nil:
		c.comment = change.comment
		return
	}
	which := change.relation().which
	if c.tables[which] != nil && (change.becomes == nil || change.becomes.oid != c.tables[which].oid) {
		c.rows[which] = make(map[string]row)
	}
	c.tables[which] = change.becomes
}

// publish makes the publication anew, or drops it.
func (c *contents) publish(p *publication) {
	c.publication, c.comment = p.oid, ""
	for which, t := range c.tables {
		if t != nil {
			next := *t
			next.member = p.members[which]
			c.tables[which] = &next
		}
	}
}

// relation returns the table that a change of the catalog is about, as it was or as it is made.
func (c *change) relation() *table {
	if c.table != nil {
		return c.table
	}
	return c.becomes
}

// ddl names a change of the catalog.
func (c *change) ddl() string {
	switch of := c.relation(); {
	case c.publication != nil && c.publication.oid == 0:
		return "drop the publication"
	case c.publication != nil:
		return "create the publication"
	case of == nil:
		return "comment on publication"
	case c.table == nil:
		return fmt.Sprintf("create %s as %d", of.name, of.oid)
	case c.becomes == nil:
		return fmt.Sprintf("drop %s, %d, with %d rows", of.name, of.oid, len(c.ends))
	case c.becomes.name != of.name:
		return fmt.Sprintf("rename %s to %s", of.name, c.becomes.name)
	case c.becomes.member != of.member && c.becomes.member == 0:
		return fmt.Sprintf("take %s out of the publication", of.name)
	case c.becomes.member != of.member:
		return fmt.Sprintf("put %s into the publication", of.name)
	}
	return fmt.Sprintf("alter the columns of %s", c.becomes.name)
}

// breaks reports whether a change of the catalog ends that everything of a table is in the stream under its name.
func (c *change) breaks() bool {
	return c.op == 'C' && c.table != nil && c.table.member != 0 && c.table.name == tableNames[c.table.which] &&
		(c.becomes == nil || c.becomes.member != c.table.member || c.becomes.name != c.table.name)
}

// altered returns a table's next version.
func (t *table) with(how func(*table)) change {
	next := *t
	next.columns = slices.Clone(t.columns)
	how(&next)
	return change{table: t, op: 'C', becomes: &next}
}

// dropped is the end of a table with its rows.
func dropped(t *table, rows map[string]row) change {
	c := truncated(t, rows)
	c.op = 'C'
	return c
}

// created makes a table anew, outside of the publication.
func created(which int, oid uint32) change {
	t := blocksTable()
	if which == positionsOf {
		t = positionsTable()
	}
	t.oid, t.file, t.altered, t.member = oid, oid, oid, 0
	return change{op: 'C', becomes: t}
}

// newOID returns an OID that no other thing has or had.
func (s *server) newOID() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oid += 3
	return s.oid
}

// hold notes that a session's transaction reads a table: whoever would alter it waits for its end. The lock is held.
func (s *session) hold(which int) {
	if s.status == 'T' {
		s.holds[which] = true
	}
}

// isHeld reports whether a transaction reads a table.
func (s *server) isHeld(which int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.sessions {
		if session.holds[which] {
			return true
		}
	}
	return false
}
