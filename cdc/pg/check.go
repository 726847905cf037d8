package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
	"lowcap-cdc/decode"
)

const oldestVersion = 140000

// Check looks at every precondition in the database, and whether it is that of the history that a sink holds. It changes nothing.
func Check(ctx context.Context, c Config, known *cdc.Checkpoint) []check.Finding {
	conn, err := c.connect(ctx)
	if err != nil {
		return []check.Finding{finding("postgres", "", err, "psql with the same --postgres, until it connects")}
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	try, pooled := c.tryReplication(ctx), new(pooledError)
	if errors.As(try, &pooled) { // whatever else is asked through it comes from anywhere
		return []check.Finding{finding("postgres", "", try, "lowcap-cdc check, when that is done")}
	}
	p := readProvider(ctx, conn, c)
	findings := append([]check.Finding{checkVersion(ctx, conn)}, p.check()...)
	if err := checkPrimary(ctx, conn); err != nil {
		return append(findings, finding("primary", "", err, "lowcap-cdc check, with the primary in --postgres"))
	}
	level, err := checkLevel(ctx, conn, c)
	findings = append(findings, finding("wal_level", level.String(), err, "psql with the same --postgres"), checkRole(conn, p, try), checkRoom(ctx, conn, p))
	found, err := readCatalog(ctx, conn, c)
	if err != nil {
		return append(findings, finding("catalog", "", err, "psql with the same --postgres, as a role that may read the catalog"))
	}
	for _, t := range decode.Tables {
		findings = append(findings, checkRows(ctx, conn, c, t, &found))
	}
	return append(findings, checkStandby(&found), checkEncoding(ctx, conn, c, &found), checkAttribution(ctx, conn, c, &found),
		checkPublication(&found, c), checkHistory(ctx, c, known), checkSlotState(ctx, conn, c, known), checkRetention(ctx, conn, c, p),
		checkMessages(ctx, conn, c, &found, p))
}

// countRows answers what the source's migration guide asks for to verify a migration.
var countRows = map[decode.Table]string{
	decode.Blocks: "select count(*), count(*) filter (where blocked_s1 or blocked_s2) from ",
	decode.Positions: `select count(*), count(*) filter (where jsonb_typeof(features) = 'object'
		and features -> 'pm_execution_history' -> 'trim_pool' is not null) from `,
}

// checkRows looks at a table. One of the two may be missing: its migration has not run yet.
func checkRows(ctx context.Context, conn *pgx.Conn, c Config, t decode.Table, found *catalog) check.Finding {
	name, repair := "table "+t.String(), "lowcap-cdc init --dry-run, and what it prints"
	e, other := &found.tables[t], &found.tables[decode.Blocks+decode.Positions-t]
	if e.kind == "" && other.id.OID != 0 {
		return check.Finding{Name: name, Severity: check.OK, Detail: "does not exist; run publishes table.missing, and its rows when it is there"}
	}
	err := checkAccess(ctx, conn, c, t)
	if err == nil {
		err = e.check(c)
	}
	if err != nil {
		return finding(name, "", err, repair)
	}
	var rows, marked int64
	if err := conn.QueryRow(ctx, countRows[t]+e.from(c)).Scan(&rows, &marked); err != nil {
		return finding(name, "", fmt.Errorf("count rows: %s", message(err)), repair)
	}
	what := "with a trim_pool"
	if t == decode.Blocks {
		what = "blocked now"
	}
	f := check.Finding{Name: name, Severity: check.OK, Detail: fmt.Sprintf("%d rows, %d %s", rows, marked, what)}
	if left := e.leftOut(); left != "" {
		f.Severity, f.Repair = check.Warn, c.dropFromPublication(t)+"; and then: lowcap-cdc run"
		f.Detail += "; events lack " + left
	}
	if lacks := e.lacks(); lacks != "" {
		f.Severity, f.Repair = check.Warn, cmp.Or(f.Repair, "the source's migration")
		f.Detail += "; it has no column " + lacks + ": an exit that is not made, or a fill without a record, cannot be told"
	}
	return f
}

// finding is a Fail where there is an error, else an OK.
func finding(name, good string, err error, repair string) check.Finding {
	if err != nil {
		detail, own, _ := strings.Cut(err.Error(), "; run: ") // an error that knows itself what to run knows it better
		return check.Finding{Name: name, Severity: check.Fail, Detail: detail, Repair: cmp.Or(own, repair)}
	}
	return check.Finding{Name: name, Severity: check.OK, Detail: good}
}

// warning is finding with a Warn for a Fail.
func warning(name, good string, err error, repair string) check.Finding {
	f := finding(name, good, err, repair)
	if f.Severity == check.Fail {
		f.Severity = check.Warn
	}
	return f
}

func checkVersion(ctx context.Context, conn *pgx.Conn) check.Finding {
	var number int
	var text string
	err := conn.QueryRow(ctx, `select current_setting('server_version_num')::int, current_setting('server_version')`).Scan(&number, &text)
	if err == nil && number < oldestVersion {
		err = fmt.Errorf("version %s is older than 14", text)
	}
	return finding("version", text, err, "an upgrade to Postgres 14 or later")
}

// checkRole says what became of a connection as the stream opens it: what a provider has changed about rights, and what stands
// in between, shows in no catalog.
func checkRole(conn *pgx.Conn, p *provider, err error) check.Finding {
	const what = "replication right"
	name := conn.Config().User
	var none *noRight
	switch {
	case errors.As(err, &none):
		return finding(what, "", fmt.Errorf("role %q may not replicate", name), p.grant(pgx.Identifier{name}.Sanitize()))
	case sqlState(err) == codeTooManyConnections:
		err = nil // the next finding says so
	}
	return finding(what, "role "+name, err, "lowcap-cdc check, when that is done")
}

func checkRoom(ctx context.Context, conn *pgx.Conn, p *provider) check.Finding {
	var slots, senders int
	err := conn.QueryRow(ctx, `select current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)::int,
		current_setting('max_wal_senders')::int - (select count(*) from pg_stat_replication)::int`).Scan(&slots, &senders)
	if err == nil && senders < 1 {
		err = fmt.Errorf("no WAL sender is free")
	}
	repair := "alter system set max_wal_senders, max_replication_slots higher, and restart Postgres"
	if p.name != "" {
		repair = p.set("max_wal_senders", "20", true)
	}
	return finding("room", fmt.Sprintf("%d slots and %d WAL senders free", slots, senders), err, repair)
}

func checkPublication(found *catalog, c Config) check.Finding {
	for _, t := range decode.Tables {
		if e := &found.tables[t]; e.id.OID != 0 && e.check(c) != nil {
			// The statement that puts such a table into a publication is the one that makes the bot's writes fail.
			err := fmt.Errorf("not looked at: table %q must be repaired first", t)
			return finding("publication", "", err, "lowcap-cdc check, when the table is repaired")
		}
	}
	if statements := append(found.repair(c), "lowcap-cdc init"); found.publication == 0 || len(statements) > 1 {
		return finding("publication", "", fmt.Errorf("publication %q is missing or incomplete", c.Publication), statements[0])
	}
	for _, t := range decode.Tables {
		if err := found.tables[t].checkCarried(c); err != nil {
			return finding("publication", "", err, "what it says")
		}
	}
	return finding("publication", c.Publication, nil, "")
}

func checkSlotState(ctx context.Context, conn *pgx.Conn, c Config, known *cdc.Checkpoint) check.Finding {
	slot, exists, err := readSlot(ctx, conn, c.Slot)
	detail := fmt.Sprintf("%s, confirmed %s, keeps %d bytes of WAL (%s)", c.Slot, slot.confirmed, slot.retained, slot.wal)
	switch {
	case err == nil && !exists && known.LSN != 0:
		err = fmt.Errorf("slot %q does not exist any more: changes after %s are lost to the stream", c.Slot, known.LSN)
	case err == nil && !exists:
		detail = c.Slot + " will be created by the first run"
	case err == nil && !slot.isOurs(conn.Config().Database):
		return finding("slot", "", errors.New(slot.describe(c.Slot)), "lowcap-cdc check, with another --slot")
	case err == nil && slot.active != 0:
		detail += ", in use by " + slot.user
	case err == nil && slot.lost() != "":
		err = fmt.Errorf("slot %q is lost: %s", c.Slot, slot.lost())
	case err == nil && known.Slot != "" && known.LSN == 0:
		return check.Finding{Name: "slot", Severity: check.Warn, Detail: detail + "; its first snapshot is being read, or was interrupted",
			Repair: "lowcap-cdc run, which begins it anew; or, to give up, lowcap-cdc teardown"}
	}
	return finding("slot", detail, err, "lowcap-cdc reconcile")
}

// checkMessages looks at who may write logical messages into the WAL.
func checkMessages(ctx context.Context, conn *pgx.Conn, c Config, found *catalog, p *provider) check.Finding {
	right, err := readMessageRight(ctx, conn)
	repair := "psql with the same --postgres, as a role that may read the catalog"
	switch {
	case err == nil && !right.own:
		err = errors.New("the role may not write messages into the WAL: a table that goes or comes, and time while nothing else changes, are not told")
		repair = right.grant(c.role())
	case err == nil && right.public:
		text := "every role may write messages into the WAL, annotations of transactions among them"
		if found.publication != 0 && !found.owned {
			text += "; and this role does not own the publication, so once a table has really gone anybody can say since when and why"
		}
		err = errors.New(text)
		if repair = right.revoke() + "; " + right.grant(c.role()); p.name != "" {
			repair = "no login for strangers: only a superuser may revoke it, and " + p.name + " gives nobody that role"
		}
	}
	return warning("messages", "only chosen roles may write messages into the WAL", err, repair)
}
