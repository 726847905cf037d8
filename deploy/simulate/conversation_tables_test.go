package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tablesLive is the part of the conversation in which tables are emptied, altered, renamed, dropped and made again, and leave the
// publication and come back. Nobody streams meanwhile; then everything is read.
func (k *talk) tablesLive() {
	block, position := k.rows()
	block[blockContract] = value("D")
	k.catalog()
	k.party.commit(k.insert(blocksOf, block), k.insert(positionsOf, position))
	k.party.commit(k.truncate(positionsOf))
	k.catalog()
	k.party.commit(k.insert(positionsOf, position), k.touchBlock(block))
	k.party.commit(k.touchPosition(position), k.truncate(positionsOf), k.insert(positionsOf, position), k.truncate(blocksOf))
	k.party.commit(k.insert(blocksOf, block))
	k.alter(blocksOf, func(t *table) {
		t.columns = append(t.columns, column{name: "extra", oid: textOID, kind: "text", at: lastSuccess + 2})
	})
	k.party.commit(k.touchBlock(block), k.touchPosition(position))
	k.alter(positionsOf, func(t *table) { t.member = 0 })
	k.party.commit(k.touchPosition(position))
	k.party.commit(k.touchPosition(position), k.touchBlock(block))
	k.alter(positionsOf, func(t *table) { t.member = 1 })
	k.party.commit(k.touchPosition(position), k.touchBlock(block))
	k.alter(blocksOf, func(t *table) { t.name += "_old" })
	k.party.commit(k.touchBlock(block))
	k.alter(blocksOf, func(t *table) { t.name = tableNames[blocksOf] })
	k.party.commit(k.touchBlock(block))
	made := created(blocksOf, 30_000)
	k.party.commit(dropped(k.tables()[blocksOf], nil), made, changeOf(made.becomes, nil, block))
	k.catalog()
	k.party.commit(k.touchBlock(block))
	k.alter(blocksOf, func(t *table) { t.member = 2 })
	k.party.commit(change{op: 'C', comment: "who's there"})
	k.party.commit(k.touchBlock(block))
	k.alter(positionsOf, func(t *table) {
		t.columns = slices.DeleteFunc(t.columns, func(c column) bool { return c.at == positionQuantity })
		t.altered++
	})
	k.party.commit(k.touchPosition(position))
	k.readTables()
	k.publicationLives(block)
}

// publicationLives is the part in which the publication is dropped, and made anew when a row has been written without it.
func (k *talk) publicationLives(block row) {
	k.party.commit(change{op: 'C', publication: new(publication)})
	k.catalog()
	k.party.commit(k.touchBlock(block))
	k.party.commit(change{op: 'M', prefix: "lowcap-cdc", content: "no publication, no row"})
	k.readTables()
	k.party.commit(change{op: 'C', publication: &publication{oid: 40_000, members: [2]uint32{3, 4}}})
	k.catalog()
	k.party.commit(k.touchBlock(block))
	k.readTables()
}

// readTables reads up to a message that says it is the last, or to an error.
func (k *talk) readTables() {
	k.party.commit(change{op: 'M', prefix: "lowcap-cdc", content: "the end"})
	k.start(0)
	for over := false; k.err == nil && !over; {
		before := len(k.lines)
		k.read(1)
		over = k.err != nil || k.ended || slices.ContainsFunc(k.lines[before:], func(line string) bool { return strings.Contains(line, "the end") })
	}
	if !k.ended {
		k.confirm(k.at(fmt.Sprintf("end %d", k.commit)))
	}
	k.leave()
	k.slot(false)
}

func (k *talk) insert(which int, r row) change { return changeOf(k.tables()[which], nil, r) }

// touchBlock and touchPosition update a row to what it is, but for one value.
func (k *talk) touchBlock(r row) change {
	is := slices.Clone(r)
	is[blockedS1] = value("t")
	return changeOf(k.tables()[blocksOf], r, is)
}

func (k *talk) touchPosition(r row) change {
	is := slices.Clone(r)
	is[positionState] = value("S1")
	return changeOf(k.tables()[positionsOf], r, is)
}

func (k *talk) truncate(which int) change { return change{table: k.tables()[which], op: 'T'} }

// alter makes a table's next version, and looks at the catalog.
func (k *talk) alter(which int, how func(*table)) {
	k.party.commit(k.tables()[which].with(how))
	k.catalog()
}

// catalog writes down what the watcher would see of the tables: what is there, and which numbers are others than before.
func (k *talk) catalog() {
	if k.err != nil {
		return
	}
	conn := k.connect(false)
	defer conn.Close(k.ctx) //nolint:errcheck // nothing was left undone on it
	for which, name := range tableNames {
		var watched []string
		for _, c := range [2]*table{blocksTable(), positionsTable()}[which].columns {
			watched = append(watched, c.name)
		}
		result := conn.ExecParams(k.ctx, catalogQuery, [][]byte{[]byte("lowcap_cdc"), []byte("public"), []byte(name), []byte("{status}"),
			[]byte("{" + strings.Join(slices.DeleteFunc(watched, isUnwatched), ",") + "}")}, nil, nil, nil).Read()
		if k.must(result.Err); k.err != nil {
			return
		}
		now := make(map[string]string)
		for _, row := range result.Rows {
			for at, what := range map[int]string{0: "OID", 1: "membership", 12: "file", 14: "versions"} {
				now[what] = string(row[at])
			}
			k.say("catalog: %s is there, member %s, published %s", name, row[5], row[6])
		}
		for _, what := range slices.Sorted(maps.Keys(now)) {
			k.say("  another %s: %v", what, k.seen[which][what] != now[what])
		}
		if k.seen[which] = now; len(now) == 0 {
			k.say("catalog: %s is not there", name)
		}
	}
}

func isUnwatched(column string) bool {
	return column == "notes" || column == "updated_at" || column == "extra"
}

// catalogQuery has what the sidecar's has of the columns that are compared.
const catalogQuery = `select c.oid::bigint, coalesce(r.oid, 0)::bigint, c.relkind::text, c.relpersistence::text, c.relispartition, r.oid is not null,
	p.tablename is not null, '', '', c.relreplident::text, false, '', coalesce(pg_relation_filenode(c.oid)::text, ''), $4::text[]::text,
	(select string_agg(a.xmin::text, ' ' order by a.attnum) filter (where a.attname::text = any ($5))
		from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	left join pg_publication_tables p on p.pubname = $1 and p.schemaname = n.nspname and p.tablename = c.relname
	left join pg_publication_rel r on r.prrelid = c.oid and r.prpubid = (select oid from pg_publication where pubname = $1)
	where n.nspname = $2 and c.relname = $3`

// statementsOf are the SQL of a change of the catalog.
func statementsOf(c *change) string {
	switch of := c.relation(); {
	case c.publication != nil && c.publication.oid == 0:
		return "drop publication lowcap_cdc"
	case c.publication != nil:
		return "create publication lowcap_cdc for table " + strings.Join(tableNames[:], ", ")
	case of == nil:
		return "comment on publication lowcap_cdc is '" + strings.ReplaceAll(c.comment, "'", "''") + "'"
	case c.table == nil:
		return createTable(of)
	case c.becomes == nil:
		return "drop table " + of.name
	case c.becomes.name != of.name:
		return "alter table " + of.name + " rename to " + c.becomes.name
	case c.becomes.member != of.member && c.becomes.member == 0:
		return "alter publication lowcap_cdc drop table " + of.name
	case c.becomes.member != of.member:
		return "alter publication lowcap_cdc add table " + of.name
	}
	var all []string
	for _, column := range c.becomes.columns {
		if !slices.Contains(c.table.columns, column) {
			all = append(all, fmt.Sprintf("add column %s %s", column.name, column.kind))
		}
	}
	for _, column := range c.table.columns {
		if !slices.Contains(c.becomes.columns, column) {
			all = append(all, "drop column "+column.name)
		}
	}
	return "alter table " + c.table.name + " " + strings.Join(all, ", ")
}

func createTable(t *table) string {
	var columns, keys []string
	for _, c := range t.columns {
		columns = append(columns, c.name+" "+c.kind)
		if slices.Contains(t.keys, c.at) {
			keys = append(keys, c.name)
		}
	}
	return fmt.Sprintf("create table %s (%s, primary key (%s))", t.name, strings.Join(columns, ", "), strings.Join(keys, ", "))
}
