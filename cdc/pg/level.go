package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// walLevel is how much the server writes into its WAL.
type walLevel struct {
	set       string // wal_level
	effective string // effective_wal_level, from Postgres 19 on; empty before
}

func readLevel(ctx context.Context, conn *pgx.Conn) (l walLevel, err error) {
	err = conn.QueryRow(ctx, "select current_setting('wal_level'), coalesce(current_setting('effective_wal_level', true), '')").
		Scan(&l.set, &l.effective)
	if err != nil {
		err = fmt.Errorf("read wal_level: %s", message(err))
	}
	return l, err
}

// isLogical reports whether a slot can be created. From Postgres 19 on a server with wal_level = replica becomes logical with
// its first logical slot, and stays so until the last one is gone.
func (l walLevel) isLogical() bool {
	return l.effective == "logical" || (l.effective == "" && l.set == "logical") || (l.effective != "" && l.set == "replica")
}

func (l walLevel) String() string {
	switch {
	case l.effective == "" || l.effective == l.set && l.set != "replica":
		return l.set
	case l.effective == "replica":
		return "replica, and logical as soon as there is a slot"
	}
	return fmt.Sprintf("%s, set to %s", l.effective, l.set)
}

// checkLevel makes sure that the WAL holds what a slot needs, or will.
func checkLevel(ctx context.Context, conn *pgx.Conn, c Config) (walLevel, error) {
	level, err := readLevel(ctx, conn)
	if err == nil && !level.isLogical() {
		err = permanentf("wal_level is %s; run: %s", level, readProvider(ctx, conn, c).set("wal_level", "logical", true))
	}
	return level, err
}
