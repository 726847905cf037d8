package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maintenanceDatabase is the one that is asked where the wanted one is not there: every server has it, unless somebody dropped it.
const maintenanceDatabase = "postgres"

// explainConnect is explainConnect that knows of a database which was renamed: its slot moves with it.
func (c Config) explainConnect(ctx context.Context, err error, config *pgconn.Config) error {
	if sqlState(err) != codeUnknownDatabase || c.Slot == "" {
		return explainConnect(err, config)
	}
	name := c.slotDatabase(ctx)
	if name == "" || name == config.Database {
		return explainConnect(err, config)
	}
	return permanentf("connect to Postgres at %s:%d as %q: database %q does not exist, and slot %q is in database %q of that server: was it renamed? "+
		"name it in --postgres and run: %s", config.Host, config.Port, config.User, config.Database, c.Slot, name, adoptCommand)
}

// slotDatabase returns the database that the slot is in, empty where that cannot be found out.
func (c Config) slotDatabase(ctx context.Context) (name string) {
	config, err := parseDSN(c.DSN)
	if err != nil {
		return ""
	}
	config.Database = maintenanceDatabase
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return ""
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
	sql := `select coalesce(max(database), '') from pg_replication_slots where slot_name = $1 and plugin = 'pgoutput'`
	if conn.QueryRow(ctx, sql, c.Slot).Scan(&name) != nil {
		return ""
	}
	return name
}
