package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/decode"
)

// catalog is what the database says of the publication and the watched tables.
type catalog struct {
	publication uint32 // its OID; 0 when it does not exist
	version     uint32 // of its OID and what was last altered: whether anything was left out in between is not known
	complete    bool   // it publishes insert, update, delete and truncate
	owned       bool   // this role may write its comment
	standbys    string // synchronous_standby_names
	viaRoot     bool   // it publishes a partition's changes as those of its partitioned table
	tables      [decode.Positions + 1]tableEntry
	at          decode.Progress // when this was read
}

// walEndSQL is SQL for where the WAL ends; on a standby, where it has been replayed up to.
const walEndSQL = `case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text`

// checkPrimary refuses a standby: nothing can be written there, and it has slots of its own. It may be promoted, so another
// try may succeed.
func checkPrimary(ctx context.Context, conn querier) error {
	var standby bool
	if err := conn.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&standby); err != nil {
		return fmt.Errorf("ask for the server's role: %s", message(err))
	}
	if standby {
		return errors.New("the server is a standby; name the primary in --postgres, or all of them with target_session_attrs=read-write")
	}
	return nil
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func pgConn(q querier) *pgconn.PgConn {
	if tx, ok := q.(pgx.Tx); ok {
		return tx.Conn().PgConn()
	}
	return q.(*pgx.Conn).PgConn()
}

// hashOf is SQL for a number of 32 bits that tells lists of values apart.
func hashOf(values string) string {
	return "('x' || substr(md5(concat_ws(' ', " + values + ")), 1, 8))::bit(32)::bigint"
}

func readCatalog(ctx context.Context, conn querier, c Config) (catalog, error) {
	var found catalog
	var lsn string
	schemas := "(select max(s.oid) from pg_publication_namespace s join pg_namespace n on n.oid = s.pnnspid where s.pnpubid = p.oid and n.nspname = $2)"
	if majorVersion(pgConn(conn)) < 15 { // which publishes no schemas
		schemas = "($2::text is null)"
	}
	err := conn.QueryRow(ctx, `select coalesce(max(oid), 0)::bigint, coalesce(max(`+hashOf("oid, p.xmin, "+schemas)+`), 0)::bigint,
		coalesce(bool_and(pubinsert and pubupdate and pubdelete and pubtruncate), true),
		coalesce(bool_and(pubviaroot), false), coalesce(bool_and(pg_has_role(pubowner, 'usage')), false), current_setting('synchronous_standby_names'), `+walEndSQL+`, (extract(epoch from clock_timestamp()) * 1000000)::bigint
		from pg_publication p where pubname = $1`, c.Publication, c.Schema).
		Scan(&found.publication, &found.version, &found.complete, &found.viaRoot, &found.owned, &found.standbys, &lsn, &found.at.Time)
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

// repair returns the statements that make the publication bring all changes of the tables that exist.
func (f *catalog) repair(c Config) []string {
	name := pgx.Identifier{c.Publication}.Sanitize()
	var statements, missing []string
	partitioned := false
	for _, t := range decode.Tables {
		e := &f.tables[t]
		if e.id.OID == 0 {
			continue
		}
		partitioned = partitioned || e.isPartitioned()
		if !e.member && !e.published {
			missing = append(missing, c.table(t))
		}
	}
	if f.publication == 0 && len(missing) > 0 {
		with := ""
		if partitioned {
			with = " with (publish_via_partition_root = true)"
		}
		return []string{"create publication " + name + " for table " + strings.Join(missing, ", ") + with}
	}
	if len(missing) > 0 {
		statements = append(statements, "alter publication "+name+" add table "+strings.Join(missing, ", "))
	}
	if !f.complete {
		statements = append(statements, "alter publication "+name+" set (publish = 'insert, update, delete, truncate')")
	}
	if partitioned && !f.viaRoot {
		statements = append(statements, "alter publication "+name+" set (publish_via_partition_root = true)")
	}
	return statements
}

// checkPublished makes sure that the publication is the one that the stream began with, and still brings everything.
func (f *catalog) checkPublished(c Config, known uint32) error {
	if err := f.checkStandby(); err != nil {
		return err
	}
	switch {
	case f.publication == 0:
		return lostf("publication %q was dropped", c.Publication)
	case known != 0 && known != f.publication && known != f.version: // older versions knew the OID
		return lostf("publication %q was altered, or dropped and created again", c.Publication)
	case !f.complete:
		return lostf("publication %q does not publish insert, update, delete and truncate any more", c.Publication)
	}
	for _, t := range decode.Tables {
		e := &f.tables[t]
		if e.isPartitioned() && e.member && !f.viaRoot {
			return lostf("publication %q publishes the partitions of %s under their own names (publish_via_partition_root = false)", c.Publication, c.table(t))
		}
		if err := e.checkCarried(c); err != nil {
			return err
		}
	}
	return nil
}
