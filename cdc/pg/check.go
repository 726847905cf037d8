package pg

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
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
	found, err := readCatalog(ctx, conn, c)
	if err != nil {
		return append(findings, finding("catalog", "", err, "psql with the same --postgres, as a role that may read the catalog"))
	}
	for _, t := range decode.Tables {
		findings = append(findings, checkRows(ctx, conn, c, t, &found))
	}
	return append(findings, checkPublication(&found, c), checkSlotState(ctx, conn, c))
}

// countRows answers what the source's migration guide asks for to verify a migration.
var countRows = map[decode.Table]string{
	decode.Blocks: "select count(*), count(*) filter (where blocked_s1 or blocked_s2) from ",
	decode.Positions: `select count(*), count(*) filter (where jsonb_typeof(features) = 'object'
		and features -> 'pm_execution_history' -> 'trim_pool' is not null) from `,
}

// checkRows looks at a table. One of the two may be missing: its migration has not run yet.
func checkRows(ctx context.Context, conn *pgx.Conn, c Config, t decode.Table, found *catalog) Finding {
	name, repair := "table "+t.String(), "lowcap-cdc init --dry-run, and what it prints"
	other := decode.Blocks + decode.Positions - t
	if found.tables[t].id.OID == 0 && found.tables[other].id.OID != 0 {
		return Finding{Name: name, OK: true, Detail: "does not exist; run publishes table.missing, and its rows when it is there"}
	}
	if err := checkTable(ctx, conn, c, t); err != nil {
		return finding(name, "", err, repair)
	}
	var rows, marked int64
	if err := conn.QueryRow(ctx, countRows[t]+c.table(t)).Scan(&rows, &marked); err != nil {
		return finding(name, "", fmt.Errorf("count rows: %s", message(err)), repair)
	}
	what := "with a trim_pool"
	if t == decode.Blocks {
		what = "blocked now"
	}
	return Finding{Name: name, OK: true, Detail: fmt.Sprintf("%d rows, %d %s", rows, marked, what)}
}

func finding(name, good string, err error, repair string) Finding {
	if err != nil {
		detail, own, _ := strings.Cut(err.Error(), "; run: ") // an error that knows itself what to run knows it better
		return Finding{name, false, detail, cmp.Or(own, repair)}
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

func checkPublication(found *catalog, c Config) Finding {
	if statements := append(found.repair(c), "lowcap-cdc init"); found.publication == 0 || len(statements) > 1 {
		return Finding{"publication", false, fmt.Sprintf("publication %q is missing or incomplete", c.Publication), statements[0]}
	}
	for _, t := range decode.Tables {
		if err := found.checkFilter(c, t); err != nil {
			return finding("publication", "", err, "what it says")
		}
	}
	return Finding{Name: "publication", OK: true, Detail: c.Publication}
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
