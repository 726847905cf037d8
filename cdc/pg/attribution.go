package pg

import (
	"context"
	"crypto/md5"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/decode"
)

//go:embed attribution.sql
var attributionSQL string

const attributionTrigger = "lowcap_cdc_attribution"

// attributionNames are the functions that attribution.sql makes, in its order, and attributionRuns how each runs: as its owner,
// its volatility, its settings.
var (
	attributionNames = [...]string{"read_attribution_secret", "attribution_keys", "attribution_client", "attribute"}
	attributionRuns  = [...]string{"false v ", "false i ", "false i ", `true v {"search_path=pg_catalog, pg_temp"}`}
)

// attribution is what stands in the database of it.
type attribution struct {
	schema   bool
	secret   bool              // the table is there
	readable bool              // this role may read the secret
	secrets  int               // how many it holds, as far as this role may read them: it must be one
	readers  []string          // roles that may read it besides, as a grant says
	found    map[string]string // the functions by name: how each runs, and the MD5 of its body
	owner    string            // of the trigger's function
	mayEmit  bool              // the owner may write messages into the WAL
	on       [decode.Positions + 1]bool
}

func readAttribution(ctx context.Context, conn *pgx.Conn, c Config) (attribution, error) {
	var a attribution
	err := conn.QueryRow(ctx, `select s.oid is not null, t.oid is not null,
		coalesce(has_schema_privilege(s.oid, 'usage') and has_table_privilege(t.oid, 'select'), false),
		coalesce(p.proowner::regrole::text, ''),
		coalesce((select bool_and(has_function_privilege(p.proowner, e.oid, 'execute')) from pg_proc e
			where e.proname = 'pg_logical_emit_message' and e.pronamespace = 'pg_catalog'::regnamespace), false)
		from (values (1)) one left join pg_namespace s on s.nspname = 'lowcap_cdc'
		left join pg_class t on t.relnamespace = s.oid and t.relname = 'attribution_secret'
		left join pg_proc p on p.pronamespace = s.oid and p.proname = 'attribute'`).
		Scan(&a.schema, &a.secret, &a.readable, &a.owner, &a.mayEmit)
	if err != nil {
		return a, fmt.Errorf("look for the attribution: %w", err)
	}
	if err = a.readSecrets(ctx, conn); err != nil {
		return a, fmt.Errorf("look for the attribution's secret: %w", err)
	}
	if a.found, err = readAttributionFunctions(ctx, conn); err != nil {
		return a, fmt.Errorf("look for the attribution: %w", err)
	}
	for _, t := range decode.Tables {
		err := conn.QueryRow(ctx, `select exists (select from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_namespace s on s.oid = p.pronamespace
			where g.tgrelid = to_regclass($1) and g.tgname = $2 and s.nspname = 'lowcap_cdc' and p.proname = 'attribute'
			and g.tgenabled in ('O', 'A') and g.tgtype = $3 and g.tgqual is null and g.tgattr = ''::int2vector)`,
			c.table(t), attributionTrigger, beforeEachStatement).Scan(&a.on[t])
		if err != nil {
			return a, fmt.Errorf("look for the attribution: %w", err)
		}
	}
	return a, nil
}

// beforeEachStatement is what pg_trigger.tgtype has for: before insert, delete, update or truncate, for each statement.
const beforeEachStatement = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5

// readSecrets counts the secrets, and says who may read them by a grant: neither the owner, nor this role, nor one that reads the WAL.
func (a *attribution) readSecrets(ctx context.Context, conn *pgx.Conn) error {
	if !a.secret {
		return nil
	}
	if a.readable {
		if err := conn.QueryRow(ctx, "select count(*) from lowcap_cdc.attribution_secret").Scan(&a.secrets); err != nil {
			return err
		}
	}
	return conn.QueryRow(ctx, `select array(select distinct coalesce(quote_ident(r.rolname), 'public') from (select relowner, relacl as acl from pg_class
			where oid = to_regclass('lowcap_cdc.attribution_secret') union all select relowner, attacl from pg_attribute join pg_class c on c.oid = attrelid
			where attrelid = to_regclass('lowcap_cdc.attribution_secret')) t, aclexplode(t.acl) g left join pg_roles r on r.oid = g.grantee
		where g.privilege_type = 'SELECT' and g.grantee <> t.relowner
		and coalesce(r.rolname <> current_user and not r.rolsuper and not r.rolreplication, true) order by 1)`).Scan(&a.readers)
}

func readAttributionFunctions(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	found := make(map[string]string)
	rows, err := conn.Query(ctx, `select proname, concat_ws(' ', prosecdef::text, provolatile, coalesce(proconfig::text, ''), md5(prosrc))
		from pg_proc where pronamespace = to_regnamespace('lowcap_cdc') and proname = any($1)`, attributionNames[:])
	if err != nil {
		return nil, err
	}
	var name, is string
	_, err = pgx.ForEachRow(rows, []any{&name, &is}, func() error {
		found[name] = is
		return nil
	})
	return found, err
}

func (a *attribution) isThere() bool {
	return a.secret || len(a.found) > 0 || a.on[decode.Blocks] || a.on[decode.Positions]
}

// functions returns the statements that make the functions as this version writes them: those that are not so, or all.
func (a *attribution) functions(all bool) (sql []string) {
	for n, text := range strings.Split(strings.TrimSpace(attributionSQL), ";\n\n") {
		_, body, _ := strings.Cut(text, "$attribution$")
		body, _, _ = strings.Cut(body, "$attribution$")
		if all || a.found[attributionNames[n]] != fmt.Sprintf("%s %x", attributionRuns[n], md5.Sum([]byte(body))) {
			sql = append(sql, strings.Replace(strings.TrimSuffix(text, ";"), "create function", "create or replace function", 1))
		}
	}
	return sql
}

// statements returns what makes the attribution whole, on the tables that exist.
func (a *attribution) statements(c Config, found *catalog) []string {
	var sql []string
	if !a.schema {
		sql = append(sql, "create schema lowcap_cdc")
	}
	if !a.secret {
		sql = append(sql, "create table lowcap_cdc.attribution_secret (inner_key bytea not null, outer_key bytea not null)",
			hideSecret, makeSecret)
	} else if a.isAmiss() {
		sql = append(sql, "delete from lowcap_cdc.attribution_secret", makeSecret)
	}
	if role := c.role(); !a.readable {
		sql = append(sql, "grant usage on schema lowcap_cdc to "+role, "grant select on lowcap_cdc.attribution_secret to "+role)
	}
	sql = append(sql, a.functions(!a.secret || a.isAmiss())...)
	for _, t := range decode.Tables {
		if found.tables[t].id.OID != 0 && !a.on[t] {
			sql = append(sql, fmt.Sprintf("create or replace trigger %s before insert or update or delete or truncate on %s for each statement execute function lowcap_cdc.attribute()",
				attributionTrigger, c.table(t)))
		}
	}
	return sql
}

// isAmiss reports whether the table of the secret holds none, as after pg_dump --schema-only, or several.
func (a *attribution) isAmiss() bool { return a.secret && a.readable && a.secrets != 1 }

// hideSecret takes back what default privileges have given to others on a new table.
const hideSecret = `do $$ declare to_whom text; begin
	for to_whom in select distinct case grantee when 0 then 'public' else grantee::regrole::text end from pg_class, aclexplode(relacl)
		where oid = 'lowcap_cdc.attribution_secret'::regclass and grantee <> relowner loop
		execute 'revoke all on lowcap_cdc.attribution_secret from ' || to_whom;
	end loop; end $$`

// makeSecret draws 32 bytes from the server's strong random numbers, and keeps them with the two pads of HMAC (RFC 2104). It
// prints nothing that would have to be kept secret.
const makeSecret = `with drawn as materialized (select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) as key)
insert into lowcap_cdc.attribution_secret (inner_key, outer_key)
select decode(string_agg(lpad(to_hex(byte # 54), 2, '0'), '' order by i), 'hex'), decode(string_agg(lpad(to_hex(byte # 92), 2, '0'), '' order by i), 'hex')
from (select i, case when i < 32 then get_byte(key, i) else 0 end as byte from drawn, generate_series(0, 63) i) padded`

// SetUpAttribution makes the database record who makes each change, and returns the statements for it; none when all is
// there. With dryRun it only returns them.
func SetUpAttribution(ctx context.Context, c Config, dryRun bool) ([]string, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	a, err := readAttribution(ctx, conn, c)
	if err != nil {
		return nil, err
	}
	found, err := readCatalog(ctx, conn, c)
	if err != nil {
		return nil, err
	}
	statements := a.statements(c, &found)
	if dryRun || len(statements) == 0 {
		return statements, nil
	}
	return statements, inTransaction(ctx, conn, statements, "lowcap-cdc init --attribution --dry-run, and what it prints as the tables' owner")
}

// inTransaction runs statements together or not at all.
func inTransaction(ctx context.Context, conn *pgx.Conn, statements []string, repair string) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after a commit there is nothing to roll back
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return permanentf("attribution: %s; run: %s", message(err), repair)
		}
	}
	return tx.Commit(ctx)
}

// TearDownAttribution takes away what SetUpAttribution has made, and nothing else; it returns what it has dropped.
func TearDownAttribution(ctx context.Context, c Config) (dropped []string, err error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	a, err := readAttribution(ctx, conn, c)
	if err != nil || !a.isThere() {
		return nil, err
	}
	var sql []string
	for _, t := range decode.Tables {
		var exists bool
		if err := conn.QueryRow(ctx, "select to_regclass($1) is not null", c.table(t)).Scan(&exists); err != nil {
			return nil, err
		}
		if exists {
			sql = append(sql, "drop trigger if exists "+attributionTrigger+" on "+c.table(t))
			dropped = append(dropped, "trigger "+attributionTrigger+" on "+t.String())
		}
	}
	for _, name := range slices.Backward(attributionNames[:]) {
		sql = append(sql, "drop function if exists lowcap_cdc."+name+"()")
		dropped = append(dropped, "function lowcap_cdc."+name)
	}
	sql = append(sql, "drop table if exists lowcap_cdc.attribution_secret")
	if err := inTransaction(ctx, conn, sql, "lowcap-cdc teardown --attribution as the tables' owner"); err != nil {
		return nil, err
	}
	dropped = append(dropped, "table lowcap_cdc.attribution_secret")
	var dependents int
	err = conn.QueryRow(ctx, `select count(*) from pg_depend where refclassid = 'pg_namespace'::regclass and refobjid = to_regnamespace('lowcap_cdc')`).Scan(&dependents)
	if err != nil || dependents > 0 {
		return dropped, err
	}
	if _, err := conn.Exec(ctx, "drop schema if exists lowcap_cdc"); err != nil {
		return dropped, permanentf("attribution: %s; run as the schema's owner: drop schema lowcap_cdc", message(err))
	}
	return append(dropped, "schema lowcap_cdc"), nil
}

// checkAttribution says whether it is recorded who makes each change.
func checkAttribution(ctx context.Context, conn *pgx.Conn, c Config, found *catalog) check.Finding {
	f := check.Finding{Name: "attribution", Severity: check.OK}
	a, err := readAttribution(ctx, conn, c)
	switch {
	case err != nil:
		return finding(f.Name, "", err, "psql with the same --postgres")
	case !a.isThere():
		f.Detail = "not set up; lowcap-cdc init --attribution makes the server record who makes each change"
		return f
	case a.secret && !a.readable:
		f.Severity, f.Detail = check.Warn, "this role cannot read the secret, so it believes no record of who makes a change"
		f.Repair = "grant usage on schema lowcap_cdc to " + c.role() + "; grant select on lowcap_cdc.attribution_secret to " + c.role()
		return f
	case len(a.statements(c, found)) > 0:
		f.Severity, f.Detail, f.Repair = check.Warn, a.lacks(found), "lowcap-cdc init --attribution, as the tables' owner"
		return f
	case len(a.readers) > 0:
		names := strings.Join(a.readers, ", ")
		f.Severity, f.Detail = check.Warn, names+" may read the secret, and make a change look like another's"
		f.Repair = "revoke all on lowcap_cdc.attribution_secret from " + names + "; lowcap-cdc teardown --attribution; lowcap-cdc init --attribution"
		return f
	case !a.mayEmit:
		f.Severity, f.Detail = check.Warn, "role "+a.owner+", which owns lowcap_cdc.attribute, may not write messages into the WAL, so nothing is recorded"
		right, err := readMessageRight(ctx, conn)
		if err != nil {
			return finding(f.Name, "", err, "psql with the same --postgres")
		}
		f.Repair = right.grant(a.owner)
		return f
	}
	f.Detail = "the server records who makes each change"
	return f
}

// lacks names what is missing of an attribution.
func (a *attribution) lacks(found *catalog) string {
	var missing []string
	for _, t := range decode.Tables {
		if found.tables[t].id.OID != 0 && !a.on[t] {
			missing = append(missing, "no trigger on "+t.String()+": was it made anew?")
		}
	}
	if len(a.functions(false)) > 0 {
		missing = append(missing, "a function is missing, was altered, or is of another version")
	}
	if !a.secret || a.secrets == 0 {
		missing = append(missing, "the secret is missing")
	} else if a.isAmiss() {
		missing = append(missing, "there are several secrets")
	}
	return strings.Join(missing, "; ")
}

// readSecret returns the keys that records are checked with, nil where there are none, or this role may not read them.
func readSecret(ctx context.Context, conn *pgx.Conn) (*attributionKeys, error) {
	var there bool
	err := conn.QueryRow(ctx, `select coalesce(has_schema_privilege(to_regnamespace('lowcap_cdc'), 'usage')
		and has_table_privilege(to_regclass('lowcap_cdc.attribution_secret'), 'select'), false)`).Scan(&there)
	if err != nil || !there {
		return nil, err
	}
	var k attributionKeys
	err = conn.QueryRow(ctx, "select inner_key, outer_key from lowcap_cdc.attribution_secret limit 1").Scan(&k.inner, &k.outer)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &k, err
}
