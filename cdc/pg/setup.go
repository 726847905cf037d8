package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

// ensurePublication makes sure that the publication brings all changes of the tables that exist, and creates it where
// it is missing.
func ensurePublication(ctx context.Context, c Config) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	statements, err := setup(ctx, conn, c)
	if err != nil {
		return err
	}
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return permanentf("set up publication %q: %s; run as the tables' owner: %s", c.Publication, message(err), sql)
		}
	}
	return nil
}

// Setup does what a first start needs in the database, and returns the statements for it; none when all is there. With
// dryRun it only returns them, also to a role that has no rights yet. The slot is left to the first run, which needs the snapshot that comes with its
// creation.
func Setup(ctx context.Context, c Config, dryRun bool) ([]string, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	if dryRun {
		found, err := readSource(ctx, conn, c)
		if err != nil {
			return nil, err
		}
		return found.repair(c), nil
	}
	statements, err := setup(ctx, conn, c)
	if err != nil {
		return nil, err
	}
	return statements, ensurePublication(ctx, c)
}

// setup checks what a snapshot needs, and returns the statements that the publication lacks.
func setup(ctx context.Context, conn *pgx.Conn, c Config) ([]string, error) {
	if err := checkLevel(ctx, conn); err != nil {
		return nil, err
	}
	found, err := readSource(ctx, conn, c)
	if err != nil {
		return nil, err
	}
	for _, t := range decode.Tables {
		if found.tables[t].id.OID == 0 {
			continue
		}
		if err := checkTable(ctx, conn, c, t); err != nil {
			return nil, err
		}
		if err := found.checkFilter(c, t); err != nil {
			return nil, err
		}
	}
	return found.repair(c), nil
}

// readSource reads the catalog. One of the two tables may be missing: its migration has not run yet. Without both there
// is nothing to watch.
func readSource(ctx context.Context, conn *pgx.Conn, c Config) (catalog, error) {
	found, err := readCatalog(ctx, conn, c)
	if err == nil && found.tables[decode.Blocks].id.OID == 0 && found.tables[decode.Positions].id.OID == 0 {
		err = permanentf("neither %s nor %s exists; run the source's migration, or correct --schema", c.table(decode.Blocks), c.table(decode.Positions))
	}
	return found, err
}

func checkLevel(ctx context.Context, conn *pgx.Conn) error {
	var level string
	if err := conn.QueryRow(ctx, "select current_setting('wal_level')").Scan(&level); err != nil {
		return fmt.Errorf("read wal_level: %w", err)
	}
	if level != "logical" {
		return permanentf("wal_level is %s; run: alter system set wal_level = logical, and restart Postgres", level)
	}
	return nil
}

// checkTable makes sure that a table can be read whole.
func checkTable(ctx context.Context, conn *pgx.Conn, c Config, t decode.Table) error {
	var exists, readable, hides bool
	err := conn.QueryRow(ctx, `select to_regclass($1) is not null, coalesce(has_table_privilege(to_regclass($1), 'select'), false),
		coalesce(row_security_active(to_regclass($1)), false)`, c.table(t)).Scan(&exists, &readable, &hides)
	who := pgx.Identifier{conn.Config().User}.Sanitize()
	switch {
	case err != nil && sqlState(err) == codeNoPrivilege:
		return permanentf("no right on schema %q; run: grant usage on schema %s to %s", c.Schema, pgx.Identifier{c.Schema}.Sanitize(), who)
	case err != nil:
		return fmt.Errorf("look for table %s: %w", c.table(t), err)
	case !exists:
		return permanentf("table %s does not exist; run the source's migration, or correct --schema", c.table(t))
	case !readable:
		return permanentf("no right to read table %s; run: grant select on %s to %s", c.table(t), c.table(t), who)
	case hides:
		return permanentf("row-level security hides rows of table %s; run: alter role %s bypassrls", c.table(t), who)
	}
	_, _, err = presentColumns(ctx, conn, c, t)
	return err
}

// Grants returns the least that a role needs, as SQL for an administrator.
func Grants(c Config, role string) []string {
	who := pgx.Identifier{role}.Sanitize()
	return []string{
		"alter role " + who + " with login replication",
		"grant usage on schema " + pgx.Identifier{c.Schema}.Sanitize() + " to " + who,
		"grant select on " + c.table(decode.Blocks) + ", " + c.table(decode.Positions) + " to " + who,
	}
}
