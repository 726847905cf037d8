package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

// Setup does what a first start needs in the database, and returns the statements for it; none when all is there. With
// dryRun it only returns them, also to a role that has no rights yet. The slot is left to the first run, which needs the
// snapshot that comes with its creation.
func Setup(ctx context.Context, c Config, dryRun bool) ([]string, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	if err := checkPrimary(ctx, conn); err != nil {
		return nil, err
	}
	if dryRun {
		found, err := readSource(ctx, conn, c)
		if err == nil {
			err = errors.Join(found.checkStandby(), found.checkTables(c))
		}
		return found.repair(c), err
	}
	return setUp(ctx, conn, c)
}

// setUp makes sure that the publication brings all changes of the tables that exist, and creates it where it is missing.
// It returns the statements that this took.
func setUp(ctx context.Context, conn *pgx.Conn, c Config) ([]string, error) {
	if _, err := checkLevel(ctx, conn, c); err != nil {
		return nil, err
	}
	found, err := readSource(ctx, conn, c)
	if err != nil {
		return nil, err
	}
	if err := found.checkStandby(); err != nil {
		return nil, err
	}
	for _, t := range decode.Tables {
		if found.tables[t].id.OID == 0 {
			continue
		}
		if err := checkAccess(ctx, conn, c, t); err != nil {
			return nil, err
		}
	}
	if err := found.checkTables(c); err != nil {
		return nil, err
	}
	statements := found.repair(c)
	return statements, publish(ctx, conn, c, statements)
}

// publish changes the publication. The lock that this takes keeps a table's identity as it is until the commit, so what is
// checked after it holds: a table without a replica identity must never get into a publication.
func publish(ctx context.Context, conn *pgx.Conn, c Config, statements []string) error {
	if len(statements) == 0 {
		return nil
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("set up publication %q: %w", c.Publication, err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // nothing is left to roll back after the commit
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			if isPassing(sqlState(err)) {
				return fmt.Errorf("set up publication %q: %s", c.Publication, message(err))
			}
			return permanentf("set up publication %q: %s; run as the tables' owner: %s", c.Publication, message(err), sql)
		}
	}
	found, err := readCatalog(ctx, tx, c)
	if err != nil {
		return err
	}
	if err := found.checkTables(c); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("set up publication %q: %w", c.Publication, err)
	}
	return nil
}

// isPassing reports whether the publication may be set up at the next try: nothing was answered, the server shut down or gave way in a
// deadlock, another instance was faster, or the table or the publication was dropped a moment ago.
func isPassing(code string) bool {
	switch code {
	case "", codeDuplicateObject, codeUndefinedTable, codeUndefinedObject:
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "40") || strings.HasPrefix(code, "57")
}

// readSource reads the catalog. One of the two tables may be missing: its migration has not run yet. Without both there
// is nothing to watch. They are looked for one after the other, and each may be gone for a moment, so it takes two looks to say that.
func readSource(ctx context.Context, conn *pgx.Conn, c Config) (catalog, error) {
	for range 2 {
		found, err := readCatalog(ctx, conn, c)
		if err != nil || found.tables[decode.Blocks].kind != "" || found.tables[decode.Positions].kind != "" {
			return found, err
		}
	}
	return catalog{}, permanentf("neither %s nor %s exists; run the source's migration, or correct --schema", c.table(decode.Blocks), c.table(decode.Positions))
}

// checkTables makes sure that the tables that exist can be followed.
func (f *catalog) checkTables(c Config) error {
	for _, t := range decode.Tables {
		if e := &f.tables[t]; e.kind != "" {
			if err := e.check(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkAccess makes sure that the role may read every row of a table.
func checkAccess(ctx context.Context, conn querier, c Config, t decode.Table) error {
	var exists, readable, hides bool
	var role string
	err := conn.QueryRow(ctx, `select current_user::text, to_regclass($1) is not null, coalesce(has_table_privilege(to_regclass($1), 'select'), false),
		coalesce(row_security_active(to_regclass($1)), false)`, c.table(t)).Scan(&role, &exists, &readable, &hides)
	who := pgx.Identifier{role}.Sanitize()
	switch {
	case err != nil && sqlState(err) == codeNoPrivilege:
		return permanentf("no right on schema %q; run: grant usage on schema %s to %s", c.Schema, pgx.Identifier{c.Schema}.Sanitize(), c.role())
	case err != nil:
		return fmt.Errorf("look for table %s: %w", c.table(t), err)
	case !exists:
		// It was there a moment ago, and the next try finds what has come of that.
		return fmt.Errorf("table %s does not exist; run the source's migration, or correct --schema", c.table(t))
	case !readable:
		return permanentf("no right to read table %s; run: grant select on %s to %s", c.table(t), c.table(t), who)
	case hides:
		return permanentf("row-level security hides rows of table %s; run: alter role %s bypassrls", c.table(t), who)
	}
	return nil
}

// Grants returns the least that the role needs, as SQL for an administrator. Its last two statements keep strangers from
// writing messages into the WAL.
func Grants(ctx context.Context, c Config) ([]string, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	messages, err := readMessageRight(ctx, conn)
	if err != nil {
		return nil, err
	}
	who := c.role()
	return append(readProvider(ctx, conn, c).statements(who),
		"grant usage on schema "+pgx.Identifier{c.Schema}.Sanitize()+" to "+who,
		"grant select on "+c.table(decode.Blocks)+", "+c.table(decode.Positions)+" to "+who,
		messages.revoke(),
		messages.grant(who),
	), nil
}
