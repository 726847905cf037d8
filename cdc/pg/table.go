package pg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

// tableEntry is what the catalog says of one table. One that does not exist has nothing but its name.
type tableEntry struct {
	table       decode.Table
	id          decode.TableID
	kind        string // relkind of pg_class
	persistence string // relpersistence of pg_class
	partition   bool   // it is a partition of another table
	member      bool   // it is in the publication by its name
	published   bool   // the publication brings its changes
	filter      string // the publication passes only some of its rows
	children    string // tables that inherit from it
	identity    string // relreplident of pg_class
	deferrable  bool   // it has a primary key, but a deferrable one
	form        form
	unfit       string // a partition whose updates would fail or would not come
	columns     []decode.Column
}

// form is what ALTER TABLE changes when it changes values of rows, of which the WAL that a client sees says nothing.
type form struct {
	file, numbers, versions string // the table's file, and of the watched columns attnum and xmin
	lacks                   string // of the books
}

// isRewritten reports whether values may have changed. A new file alone is VACUUM FULL, a column that was altered alone says
// nothing of the values; a column with another number was dropped and made again.
func (f form) isRewritten(since form) bool {
	return since != form{} && (f.numbers != since.numbers || (f.file != since.file && f.versions != since.versions))
}

// isIn reports whether the table is in the publication, and the one that it was.
func (e *tableEntry) isIn(as decode.TableID) bool { return e.id == as && e.published }

func (e *tableEntry) isPartitioned() bool { return e.kind == "p" }

// identityIndex is SQL for the index that a table's replica identity goes by, as Postgres chooses it
// (RelationGetIndexList): an invalid one, and a deferrable primary key, do not serve. rel is a row of pg_class.
func identityIndex(rel string) string {
	return strings.ReplaceAll(`(select i.indexrelid from pg_index i where i.indrelid = REL.oid and i.indisvalid and i.indisunique and i.indimmediate
		and i.indpred is null and ((REL.relreplident = 'd' and i.indisprimary) or (REL.relreplident = 'i' and i.indisreplident)))`, "REL", rel)
}

// tableQuery reads a tableEntry. A row filter has a column of its own from Postgres 15 on, hence the detour over jsonb.
// The member of a partitioned table also tells its partitions and their files: one that was attached, detached, dropped
// or truncated by itself changes the table's rows, and the stream says nothing of it.
var tableQuery = `select c.oid::bigint, case when c.relkind = 'p' then ('x' || substr(md5(coalesce(r.oid, 0) || ' ' || coalesce((
			select string_agg(format('%s:%s:%s', tree.relid::oid, h.xmin, pg_relation_filenode(tree.relid)), ' ' order by tree.relid)
			from pg_partition_tree(c.oid) tree left join pg_inherits h on h.inhrelid = tree.relid where tree.isleaf), '')), 1, 8))::bit(32)::bigint else coalesce(r.oid, 0)::bigint end,
		c.relkind::text, c.relpersistence::text, c.relispartition, r.oid is not null, p.tablename is not null, coalesce(to_jsonb(p)->>'rowfilter', ''),
		coalesce((select string_agg(h.inhrelid::regclass::text, ', ' order by h.inhrelid) from pg_inherits h where h.inhparent = c.oid and c.relkind = 'r'), ''),
		c.relreplident::text, exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary and not i.indimmediate),
		coalesce((select min(l.oid::regclass::text) from pg_partition_tree(c.oid) tree join pg_class l on l.oid = tree.relid
			where c.relkind = 'p' and tree.isleaf and (l.relkind <> 'r' or l.relpersistence <> 'p'
			or (l.relreplident <> 'f' and ` + identityIndex("l") + ` is null))), ''),
		coalesce(pg_relation_filenode(c.oid)::text, ''), coalesce(w.numbers, ''), coalesce(w.versions, '')
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	left join pg_publication_tables p on p.pubname = $1 and p.schemaname = n.nspname and p.tablename = c.relname
	left join pg_publication_rel r on r.prrelid = c.oid and r.prpubid = (select oid from pg_publication where pubname = $1)
	left join lateral (select string_agg(a.attnum::text, ' ' order by a.attnum) filter (where a.attname::text = any ($4)) as numbers,
		string_agg(a.xmin::text, ' ' order by a.attnum) filter (where a.attname::text = any ($5)) as versions
		from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) w on true
	where n.nspname = $2 and c.relname = $3 and c.relkind in ('r', 'p', 'v', 'm', 'f')`

func readTable(ctx context.Context, conn querier, c Config, t decode.Table) (tableEntry, error) {
	e := tableEntry{table: t}
	names, isRequired := decode.Columns(t)
	var required []string
	for i, name := range names {
		if isRequired[i] {
			required = append(required, name)
		}
	}
	err := conn.QueryRow(ctx, tableQuery, c.Publication, c.Schema, t.String(), required, names).
		Scan(&e.id.OID, &e.id.Member, &e.kind, &e.persistence, &e.partition, &e.member, &e.published, &e.filter, &e.children,
			&e.identity, &e.deferrable, &e.unfit, &e.form.file, &e.form.numbers, &e.form.versions)
	if errors.Is(err, pgx.ErrNoRows) {
		return tableEntry{table: t}, nil
	}
	if err == nil && e.kind != "r" && e.kind != "p" {
		e.id = decode.TableID{} // a view or a foreign table has no changes of its own
		return e, nil
	}
	if err == nil {
		e.columns, err = readColumns(ctx, conn, c, e.id.OID)
	}
	if err != nil {
		return e, fmt.Errorf("look for table %s: %w", c.table(t), err)
	}
	if len(e.columns) == 0 {
		return tableEntry{table: t}, nil // dropped between the two queries
	}
	e.form.lacks = e.lacks()
	return e, nil
}

// leftByList is why a publication with a column list does not bring a column.
const leftByList = "is not in the publication's column list"

// columnQuery reads a table's columns. From Postgres 15 on the publication says which of them it brings; before, it brings
// all but the generated ones.
var columnQuery = `select a.attname::text, a.atttypid::bigint, format_type(a.atttypid, null), c.relreplident = 'f' or coalesce(a.attnum = any (
		(select indkey from pg_index where indexrelid = ` + identityIndex("c") + `)::int2[]), false),
		case when a.attgenerated <> '' and current_setting('server_version_num')::int < 180000 then 'is generated, which Postgres does not replicate'
		when p.attnames is null and a.attgenerated = '' or a.attname::text in (select jsonb_array_elements_text(p.attnames)) then ''
		when a.attgenerated <> '' then 'is generated, which the publication does not bring'
		else $3 end
	from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
	left join (select schemaname, tablename, nullif(to_jsonb(t)->'attnames', 'null') as attnames from pg_publication_tables t where pubname = $1) p
		on p.schemaname = n.nspname and p.tablename = c.relname
	where c.oid = $2 and a.attnum > 0 and not a.attisdropped order by a.attnum`

func readColumns(ctx context.Context, conn querier, c Config, table uint32) ([]decode.Column, error) {
	rows, err := conn.Query(ctx, columnQuery, c.Publication, table, leftByList)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (found decode.Column, err error) {
		err = row.Scan(&found.Name, &found.Type, &found.TypeName, &found.Identity, &found.Left)
		return found, err
	})
}

// check makes sure that a table's changes can be followed, and that the bot can go on writing it while they are: in a
// publication, updates of a table without a replica identity fail.
func (e *tableEntry) check(c Config) error {
	for _, judge := range []func(Config) error{e.checkKind, e.checkIdentity, e.checkColumns, e.checkCarried} {
		if err := judge(c); err != nil {
			return err
		}
	}
	return nil
}

// checkKind refuses what reads as the table but does not change as the table.
func (e *tableEntry) checkKind(c Config) error {
	name := c.table(e.table)
	kinds := map[string]string{"v": "a view", "m": "a materialized view", "f": "a foreign table"}
	switch {
	case kinds[e.kind] != "":
		return permanentf("%s is %s, which has no changes of its own; name the schema of the table in --schema", name, kinds[e.kind])
	case e.persistence != "p":
		return permanentf("table %s is unlogged, so its changes are not in the WAL; run: alter table %s set logged", name, name)
	case e.partition:
		return permanentf("table %s is a partition of another table; name the schema of the partitioned table in --schema", name)
	case e.children != "":
		return permanentf("rows of %s belong to %s: they are read with the table, but do not change as its rows; run: alter table %s no inherit %s",
			name, e.children, firstOf(e.children), name)
	case e.unfit != "":
		return permanentf("partition %s of %s has no usable replica identity, or is unlogged or foreign; run: alter table %s replica identity default, and give it a primary key",
			e.unfit, name, e.unfit)
	}
	return nil
}

// firstOf returns the first name of a list.
func firstOf(names string) string {
	first, _, _ := strings.Cut(names, ", ")
	return first
}

func (e *tableEntry) checkIdentity(c Config) error {
	for _, column := range e.columns {
		if column.Identity {
			return nil
		}
	}
	name, why, repair := c.table(e.table), "", ""
	switch {
	case e.identity == "n":
		why, repair = "has replica identity nothing", "alter table "+name+" replica identity default"
	case e.identity == "i":
		why, repair = "has lost the index of its replica identity, or that index is not valid", "alter table "+name+" replica identity default"
	case e.deferrable:
		why = "has a deferrable primary key, which is no replica identity"
		repair = "alter table " + name + " replica identity full, or make the primary key again without deferrable"
	default:
		why, repair = "has no primary key", "alter table "+name+" add primary key ("+strings.Join(keyColumns(e.table), ", ")+")"
	}
	return permanentf("table %s %s: in a publication its UPDATEs and DELETEs would fail; run: %s", name, why, repair)
}

// checkColumns makes sure that every column without which a change means nothing comes, and can be read.
func (e *tableEntry) checkColumns(c Config) error {
	_, err := decode.Bind(e.table, e.columns)
	var column *decode.ColumnError
	switch {
	case errors.As(err, &column) && column.Why == leftByList:
		return permanentf("column %q of %s %s; run as the publication's owner: %s; and then: lowcap-cdc run", column.Column, c.table(e.table), column.Why, c.dropFromPublication(e.table))
	case column != nil:
		return permanentf("table %s: column %q %s; make it again as the source's schema has it", c.table(e.table), column.Column, column.Why)
	}
	return err
}

// checkCarried refuses a publication that passes only some rows: what it keeps back would be missing without a word.
func (e *tableEntry) checkCarried(c Config) error {
	if e.filter != "" {
		return permanentf("publication %q passes only rows of %s with %s; run as its owner: %s; and then: lowcap-cdc run",
			c.Publication, c.table(e.table), e.filter, c.dropFromPublication(e.table))
	}
	return nil
}

// leftOut names the watched columns that exist and that the stream leaves out.
func (e *tableEntry) leftOut() string {
	var names []string
	for _, c := range e.columns {
		if c.Left != "" && decode.IsWatched(e.table, c.Name) {
			names = append(names, fmt.Sprintf("%s, which %s", c.Name, c.Left))
		}
	}
	return strings.Join(names, "; ")
}

// booked are the columns without which nothing tells what is held, and what was bought and sold.
var booked = []string{"total_quantity", "total_tokens_bought", "total_tokens_sold"}

// lacks names the columns of the books that the table does not have.
func (e *tableEntry) lacks() string {
	var names []string
	for _, name := range booked {
		isIt := func(c decode.Column) bool { return c.Name == name }
		if e.table == decode.Positions && !slices.ContainsFunc(e.columns, isIt) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// watched returns the columns that the stream brings, quoted, and their places in a row.
func (e *tableEntry) watched() (columns []string, index []int, err error) {
	all, err := decode.Bind(e.table, e.columns)
	for i, at := range all {
		if at >= 0 {
			columns, index = append(columns, pgx.Identifier{e.columns[i].Name}.Sanitize()), append(index, at)
		}
	}
	return columns, index, err
}

// from names the table for a query that reads the rows that the stream changes, and no row of a table that inherits.
func (e *tableEntry) from(c Config) string {
	if e.isPartitioned() {
		return c.table(e.table)
	}
	return "only " + c.table(e.table)
}

// dropFromPublication returns the statement that takes a table out of the publication. A run puts it back, whole.
func (c Config) dropFromPublication(t decode.Table) string {
	return "alter publication " + pgx.Identifier{c.Publication}.Sanitize() + " drop table " + c.table(t)
}

// keyColumns returns the columns of a table's primary key.
func keyColumns(t decode.Table) []string {
	if t == decode.Blocks {
		return []string{"token_contract", "token_chain", "timeframe", "book_id"}
	}
	return []string{"id"}
}
