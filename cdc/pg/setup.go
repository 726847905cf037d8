package pg

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

var watched = [...]decode.Table{decode.Blocks, decode.Positions}

// ensurePublication makes sure that the publication brings all changes of both tables, and creates it where it is
// missing.
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
// dryRun it only returns them. The slot is left to the first run, which needs the snapshot that comes with its
// creation.
func Setup(ctx context.Context, c Config, dryRun bool) ([]string, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	statements, err := setup(ctx, conn, c)
	if err != nil || dryRun {
		return statements, err
	}
	return statements, ensurePublication(ctx, c)
}

func setup(ctx context.Context, conn *pgx.Conn, c Config) ([]string, error) {
	if err := checkLevel(ctx, conn); err != nil {
		return nil, err
	}
	for _, t := range watched {
		if err := checkTable(ctx, conn, c, t); err != nil {
			return nil, err
		}
	}
	p, err := readPublication(ctx, conn, c)
	if err != nil {
		return nil, err
	}
	return p.repair(c), nil
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

func checkTable(ctx context.Context, conn *pgx.Conn, c Config, t decode.Table) error {
	var exists, readable bool
	err := conn.QueryRow(ctx, `select to_regclass($1) is not null,
		coalesce(has_table_privilege(to_regclass($1), 'select'), false)`, c.table(t)).Scan(&exists, &readable)
	switch {
	case err != nil && sqlState(err) == codeNoPrivilege:
		return permanentf("no right on schema %q; run: grant usage on schema %s to %s", c.Schema, c.Schema, c.role())
	case err != nil:
		return fmt.Errorf("look for table %s: %w", c.table(t), err)
	case !exists:
		return permanentf("table %s does not exist; run the source's migration, or correct --schema", c.table(t))
	case !readable:
		return permanentf("no right to read table %s; run: grant select on %s to %s", c.table(t), c.table(t), conn.Config().User)
	}
	_, _, err = presentColumns(ctx, conn, c, t)
	return err
}

// publication is what the database says of the publication.
type publication struct {
	exists   bool
	complete bool // publishes insert, update, delete and truncate
	has      map[decode.Table]bool
}

func readPublication(ctx context.Context, conn *pgx.Conn, c Config) (publication, error) {
	p := publication{has: make(map[decode.Table]bool)}
	err := conn.QueryRow(ctx, `select count(*) > 0, coalesce(bool_and(pubinsert and pubupdate and pubdelete and pubtruncate), true)
		from pg_publication where pubname = $1`, c.Publication).Scan(&p.exists, &p.complete)
	if err != nil {
		return p, fmt.Errorf("read publication %q: %w", c.Publication, err)
	}
	for _, t := range watched {
		var has bool
		err := conn.QueryRow(ctx, `select exists (select from pg_publication_tables where pubname = $1 and schemaname = $2 and tablename = $3)`,
			c.Publication, c.Schema, t.String()).Scan(&has)
		if err != nil {
			return p, fmt.Errorf("read publication %q: %w", c.Publication, err)
		}
		p.has[t] = has
	}
	return p, nil
}

// repair returns the statements that make the publication what it must be.
func (p publication) repair(c Config) []string {
	name := pgx.Identifier{c.Publication}.Sanitize()
	if !p.exists {
		return []string{"create publication " + name + " for table " + c.table(decode.Blocks) + ", " + c.table(decode.Positions)}
	}
	var statements, missing []string
	for _, t := range watched {
		if !p.has[t] {
			missing = append(missing, c.table(t))
		}
	}
	if len(missing) > 0 {
		statements = append(statements, "alter publication "+name+" add table "+strings.Join(missing, ", "))
	}
	if !p.complete {
		statements = append(statements, "alter publication "+name+" set (publish = 'insert, update, delete, truncate')")
	}
	return statements
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
