package pg

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

// catalog is what the database says of the publication and the watched tables.
type catalog struct {
	publication uint32 // its OID; 0 when it does not exist
	complete    bool   // it publishes insert, update, delete and truncate
	tables      [decode.Positions + 1]tableEntry
	at          decode.Progress // when this was read
}

// tableEntry is what the catalog says of one table.
type tableEntry struct {
	id        decode.TableID
	published bool
	filter    string // the publication passes only some of its rows
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readCatalog(ctx context.Context, conn querier, c Config) (catalog, error) {
	var found catalog
	var lsn string
	err := conn.QueryRow(ctx, `select coalesce(max(oid), 0)::bigint, coalesce(bool_and(pubinsert and pubupdate and pubdelete and pubtruncate), true),
		pg_current_wal_insert_lsn()::text, (extract(epoch from clock_timestamp()) * 1000000)::bigint
		from pg_publication where pubname = $1`, c.Publication).Scan(&found.publication, &found.complete, &lsn, &found.at.Time)
	if err != nil {
		return found, fmt.Errorf("read publication %q: %w", c.Publication, err)
	}
	if found.at.LSN, err = decode.ParseLSN(lsn); err != nil {
		return found, err
	}
	for _, t := range decode.Tables {
		if found.tables[t], err = readTable(ctx, conn, c, t); err != nil {
			return found, err
		}
	}
	return found, nil
}

// readTable looks a table up by name. A row filter has a column of its own from Postgres 15 on, hence the detour.
func readTable(ctx context.Context, conn querier, c Config, t decode.Table) (tableEntry, error) {
	var e tableEntry
	err := conn.QueryRow(ctx, `select coalesce(max(c.oid), 0)::bigint, coalesce(max(r.oid), 0)::bigint, count(p.tablename) > 0,
		coalesce(max(to_jsonb(p)->>'rowfilter'), '')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		left join pg_publication_tables p on p.pubname = $1 and p.schemaname = n.nspname and p.tablename = c.relname
		left join pg_publication_rel r on r.prrelid = c.oid and r.prpubid = (select oid from pg_publication where pubname = $1)
		where n.nspname = $2 and c.relname = $3 and c.relkind in ('r', 'p')`, c.Publication, c.Schema, t.String()).
		Scan(&e.id.OID, &e.id.Member, &e.published, &e.filter)
	if err != nil {
		return e, fmt.Errorf("look for table %s: %w", c.table(t), err)
	}
	return e, nil
}

// repair returns the statements that make the publication bring all changes of the tables that exist.
func (f *catalog) repair(c Config) []string {
	name := pgx.Identifier{c.Publication}.Sanitize()
	var statements, missing []string
	for _, t := range decode.Tables {
		if f.tables[t].id.OID != 0 && !f.tables[t].published {
			missing = append(missing, c.table(t))
		}
	}
	if f.publication == 0 && len(missing) > 0 {
		return []string{"create publication " + name + " for table " + strings.Join(missing, ", ")}
	}
	if len(missing) > 0 {
		statements = append(statements, "alter publication "+name+" add table "+strings.Join(missing, ", "))
	}
	if !f.complete {
		statements = append(statements, "alter publication "+name+" set (publish = 'insert, update, delete, truncate')")
	}
	return statements
}

// checkFilter refuses a publication that passes only some rows: what it keeps back would be missing without a word.
func (f *catalog) checkFilter(c Config, t decode.Table) error {
	if filter := f.tables[t].filter; filter != "" {
		name := pgx.Identifier{c.Publication}.Sanitize()
		return permanentf("publication %q passes only rows of %s with %s; run as its owner: alter publication %s drop table %s; and then: lowcap-cdc run",
			c.Publication, c.table(t), filter, name, c.table(t))
	}
	return nil
}
