package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Finding is the outcome of checking one precondition.
type Finding struct {
	Name   string
	OK     bool
	Detail string // what was found
	Repair string // the command that repairs it
}

const oldestVersion = 140000

// Check looks at every precondition in the database. It changes nothing.
func Check(ctx context.Context, c Config) []Finding {
	conn, err := c.connect(ctx)
	if err != nil {
		return []Finding{{"postgres", false, err.Error(), "psql with the same --postgres, until it connects"}}
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	findings := []Finding{checkVersion(ctx, conn)}
	findings = append(findings, finding("wal_level", "logical", checkLevel(ctx, conn), "alter system set wal_level = logical, and restart Postgres"))
	findings = append(findings, checkRole(ctx, conn), checkRoom(ctx, conn))
	for _, t := range watched {
		findings = append(findings, finding("table "+t.String(), "present, readable", checkTable(ctx, conn, c, t), "lowcap-cdc init --dry-run, and what it prints"))
	}
	return append(findings, checkPublication(ctx, conn, c), checkSlotState(ctx, conn, c))
}

func finding(name, good string, err error, repair string) Finding {
	if err != nil {
		return Finding{name, false, err.Error(), repair}
	}
	return Finding{Name: name, OK: true, Detail: good}
}

func checkVersion(ctx context.Context, conn *pgx.Conn) Finding {
	var number int
	var text string
	err := conn.QueryRow(ctx, `select current_setting('server_version_num')::int, current_setting('server_version')`).Scan(&number, &text)
	if err == nil && number < oldestVersion {
		err = fmt.Errorf("version %s is older than 14", text)
	}
	return finding("version", text, err, "an upgrade to Postgres 14 or later")
}

func checkRole(ctx context.Context, conn *pgx.Conn) Finding {
	var can bool
	var name string
	err := conn.QueryRow(ctx, `select rolname, rolreplication or rolsuper or exists (select from pg_auth_members m join pg_roles r on r.oid = m.roleid
		where m.member = me.oid and r.rolname in ('rds_replication', 'rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin'))
		from pg_roles me where rolname = current_user`).Scan(&name, &can)
	if err == nil && !can {
		err = fmt.Errorf("role %q may not replicate", name)
	}
	return finding("replication right", "role "+name, err, "alter role "+pgx.Identifier{name}.Sanitize()+" replication")
}

func checkRoom(ctx context.Context, conn *pgx.Conn) Finding {
	var slots, senders int
	err := conn.QueryRow(ctx, `select current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)::int,
		current_setting('max_wal_senders')::int - (select count(*) from pg_stat_replication)::int`).Scan(&slots, &senders)
	if err == nil && senders < 1 {
		err = fmt.Errorf("no WAL sender is free")
	}
	return finding("room", fmt.Sprintf("%d slots and %d WAL senders free", slots, senders), err, "alter system set max_wal_senders, max_replication_slots higher, and restart Postgres")
}

func checkPublication(ctx context.Context, conn *pgx.Conn, c Config) Finding {
	found, err := readCatalog(ctx, conn, c)
	repair := ""
	if statements := found.repair(c); err == nil && len(statements) > 0 {
		err, repair = fmt.Errorf("publication %q is missing or incomplete", c.Publication), statements[0]
	}
	return finding("publication", c.Publication, err, repair)
}

func checkSlotState(ctx context.Context, conn *pgx.Conn, c Config) Finding {
	slot, exists, err := readSlot(ctx, conn, c.Slot)
	detail := fmt.Sprintf("%s, confirmed %s, keeps %d bytes of WAL (%s)", c.Slot, slot.confirmed, slot.retained, slot.wal)
	switch {
	case err == nil && !exists:
		detail = c.Slot + " will be created by the first run"
	case err == nil && slot.active != 0:
		detail += ", in use by " + slotPID(slot.active)
	case err == nil && slot.wal == "lost":
		err = fmt.Errorf("slot %q: needed WAL was removed", c.Slot)
	}
	return finding("slot", detail, err, "lowcap-cdc reconcile")
}
