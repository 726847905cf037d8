package pg

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
	"lowcap-cdc/decode"
)

// attributedPlace is a database whose server records who makes each change, and a slot that shows the records.
func attributedPlace(t *testing.T) *place {
	t.Helper()
	p := newPlace(t, "")
	if statements, err := SetUpAttribution(t.Context(), p.config, false); err != nil || len(statements) == 0 {
		t.Fatalf("%d statements, %v", len(statements), err)
	}
	p.exec(`select pg_create_logical_replication_slot(current_database() || '_shown', 'test_decoding')`)
	return p
}

// record is what the server recorded.
type record struct {
	decode.Session
	xid uint32 // of its transaction
}

// shows reads what was recorded since the last call.
func (p *place) shows() (all []record) {
	p.t.Helper()
	// The server writes bytes that are no text, so they are asked for as such.
	rows, err := p.conn.Query(p.t.Context(), `select xid::text::int8, data from pg_logical_slot_get_binary_changes(current_database() || '_shown', null, null,
		'force-binary', 'on') where position('prefix: lowcap-cdc.session' in encode(data, 'escape')) > 0`)
	if err != nil {
		p.t.Fatal(err)
	}
	var xid int64
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&xid, &data}, func() error {
		_, message, _ := bytes.Cut(data, []byte("content:"))
		if prefix, _, _ := bytes.Cut(data, []byte(", ")); bytes.HasSuffix(prefix, []byte(".session")) {
			all = append(all, record{decode.Session{Version: 1, MAC: message[:64], Signed: message[64:], Content: message[64:]}, uint32(xid)})
			return nil
		}
		all = append(all, record{decode.Session{Version: 2, MAC: message[:48], Signed: message[48:], Content: message[56:]}, uint32(xid)})
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// records returns what was recorded since the last call, which must be made with the secret.
func (p *place) records() (lines []string) {
	p.t.Helper()
	for _, r := range p.shows() {
		keys, err := readSecret(p.t.Context(), p.conn)
		by := attributed{keys: keys}
		if err != nil || !by.fits(&r.Session, r.xid) || by.fits(&r.Session, r.xid+1) {
			p.t.Errorf("not made with the secret, or for another transaction: %q, %v", r.Content, err)
		}
		lines = append(lines, string(r.Content))
	}
	return lines
}

const anInsert = `insert into token_timeframe_blocks (token_contract, token_chain, timeframe) values ('C%d', 'solana', '1h')`

// TestAttributionRecordsOnce: once a transaction, again when user or claims change, and not for what was rolled back.
func TestAttributionRecordsOnce(t *testing.T) {
	t.Parallel()
	p := attributedPlace(t)
	p.exec("create role " + p.name + "_anon; grant all on all tables in schema public to " + p.name + "_anon")
	insert := func(n int) string { return fmt.Sprintf(anInsert, n) }
	for _, c := range []struct {
		name, sql string
		want      []string // parts of the records
	}{
		{"one statement", insert(1), []string{`["none","postgres"`}},
		{"several", "begin; " + insert(2) + "; " + insert(3) + "; update lowcap_positions set status = 'x'; commit", []string{`["none","postgres"`}},
		{"another user", "begin; " + insert(4) + "; set local role " + p.name + "_anon; " + insert(5) + "; " + insert(6) + "; commit",
			[]string{`["none","postgres"`, `["` + p.name + `_anon","postgres"`}},
		{"claims of PostgREST", `begin; set local role ` + p.name + `_anon; select set_config('request.jwt.claims', '{"sub":"7f","role":"anon","email":"anna@example.org","more":1}', true);
			select set_config('request.headers', '{"x-client-info":"supabase-js/2"}', true); ` + insert(7) + "; commit",
			[]string{`,"supabase-js/2","{\"sub\":\"7f\",\"role\":\"anon\",\"email\":\"anna@example.org\",\"more\":1}"]`}},
		{"other claims", `begin; select set_config('request.jwt.claims', '{"sub":"a"}', true); ` + insert(8) + `; select set_config('request.jwt.claims', '{"sub":"b"}', true); ` +
			insert(9) + "; commit", []string{`{\"sub\":\"a\"}`, `{\"sub\":\"b\"}`}},
		{"rolled back to a savepoint", "begin; savepoint a; " + insert(10) + "; rollback to a; " + insert(11) + "; commit", []string{`["none","postgres"`}},
		{"rolled back", "begin; " + insert(12) + "; rollback", nil},
		{"truncate", "truncate token_timeframe_blocks", []string{`["none","postgres"`}},
	} {
		p.exec(c.sql)
		got := p.records()
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", c.name, got)
			continue
		}
		for i, part := range c.want {
			if !strings.Contains(got[i], part) {
				t.Errorf("%s: record %d is %s, want %s", c.name, i, got[i], part)
			}
		}
	}
}

// TestAttributionNeverFailsAStatement breaks everything around the trigger.
func TestAttributionNeverFailsAStatement(t *testing.T) {
	t.Parallel()
	breaks := map[string]string{
		"no secret":            "drop table lowcap_cdc.attribution_secret",
		"an empty secret":      "delete from lowcap_cdc.attribution_secret",
		"two secrets":          "insert into lowcap_cdc.attribution_secret select * from lowcap_cdc.attribution_secret",
		"another column":       "alter table lowcap_cdc.attribution_secret rename inner_key to x",
		"claims are no JSON":   "alter database %s set request.jwt.claims = 'no json'",
		"claims are no object": "alter database %s set request.jwt.claims = '[1]'",
		"headers are no JSON":  `alter database %[1]s set request.jwt.claims = '{"sub":"x"}'; alter database %[1]s set request.headers = '{'`,
		"enormous claims":      `do $$ begin execute format('alter database %s set request.jwt.claims = %%L', json_build_object('sub', repeat('x', 1000000))); end $$`,
		"no right to write":    "create role %[1]s_owner; grant usage on schema lowcap_cdc to %[1]s_owner; alter function lowcap_cdc.attribute() owner to %[1]s_owner",
		"no right to emit": `create role %[1]s_silent; grant usage, create on schema lowcap_cdc to %[1]s_silent; grant select on lowcap_cdc.attribution_secret to %[1]s_silent;
			alter function lowcap_cdc.attribute() owner to %[1]s_silent;
			do $$ declare f regprocedure; begin for f in select oid from pg_proc where proname = 'pg_logical_emit_message' loop
				execute format('revoke execute on function %%s from public', f); end loop; end $$`,
		"no keys":                "drop function lowcap_cdc.attribution_keys()",
		"no reader":              "drop function lowcap_cdc.read_attribution_secret()",
		"keys that fail":         "create or replace function lowcap_cdc.attribution_keys() returns bytea[] immutable language sql as $$ select 1/0; select null::bytea[] $$",
		"keys that are null":     "create or replace function lowcap_cdc.attribution_keys() returns bytea[] immutable language sql as $$ select null::bytea[] $$",
		"keys of another kind":   "drop function lowcap_cdc.attribution_keys(); create function lowcap_cdc.attribution_keys() returns int language sql as $$ select 1 $$",
		"no client":              "drop function lowcap_cdc.attribution_client()",
		"no schema":              "alter schema lowcap_cdc rename to elsewhere",
		"a table in its way":     "create table public.attribution_secret (x int)",
		"a function in its way":  "create function public.sha256(bytea) returns bytea language sql as $$ select 1/0; select ''::bytea $$",
		"a search path":          "alter database %s set search_path = public, lowcap_cdc",
		"a role that is no more": "alter database %s set lowcap_cdc.said = 'x'",
		"another encoding":       "alter database %s set client_encoding = 'LATIN1'",
	}
	for _, function := range []string{"set_config", "left", "convert_to", "byteacat", "has_function_privilege", "sha384", "array_to_json", "xid8send",
		"encode", "split_part", "current_setting"} {
		breaks["no right to "+function] = `create role %[1]s_silent; grant usage, create on schema lowcap_cdc to %[1]s_silent;
			grant select on lowcap_cdc.attribution_secret to %[1]s_silent; alter function lowcap_cdc.attribute() owner to %[1]s_silent;
			do $$ declare f regprocedure; begin for f in select oid from pg_proc where proname = '` + function + `' loop
				execute format('revoke execute on function %%s from public', f); end loop; end $$`
	}
	for name, sql := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := attributedPlace(t)
			before := p.another() // a session that was recorded before, and one that comes then
			write(t, before)
			if strings.Contains(sql, "%") {
				sql = fmt.Sprintf(sql, p.name)
			}
			p.exec(sql)
			write(t, before)
			write(t, p.another())
		})
	}
}

// another returns one more session.
func (p *place) another() *pgx.Conn {
	p.t.Helper()
	conn, err := p.config.connect(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close(context.Background()) }) //nolint:errcheck // the test is over
	return conn
}

// write does each thing to the tables, none of which may fail.
func write(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for n, sql := range []string{fmt.Sprintf("set search_path = public; "+anInsert, 1), "update token_timeframe_blocks set blocked_s1 = true",
		"delete from token_timeframe_blocks", "truncate lowcap_positions"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("statement %d: %v", n, err)
		}
	}
}

// TestAttributionComesAndGoes sets it up twice, finds what is wrong, and takes it away without a trace.
func TestAttributionComesAndGoes(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	objects := func() string {
		return p.ask(`select string_agg(x, ' ' order by x) from (select relname::text x from pg_class where relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
			and relname not like 'pg_toast%' union all select proname::text from pg_proc where pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
			union all select tgname::text from pg_trigger where not tgisinternal union all select nspname::text from pg_namespace) a`)
	}
	before := objects()
	said := func() check.Finding {
		t.Helper()
		all := Check(t.Context(), p.config, &cdc.Checkpoint{})
		at := slices.IndexFunc(all, func(f check.Finding) bool { return f.Name == "attribution" })
		if at < 0 {
			t.Fatalf("%+v", all)
		}
		return all[at]
	}
	if f := said(); f.Severity != check.OK || !strings.Contains(f.Detail, "not set up") {
		t.Errorf("%+v", f)
	}
	if statements, err := SetUpAttribution(t.Context(), p.config, true); err != nil || len(statements) < 6 || objects() != before {
		t.Errorf("a dry run: %d statements, %v", len(statements), err)
	}
	for range 2 {
		if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
			t.Fatal(err)
		}
	}
	if f := said(); f.Severity != check.OK || !strings.Contains(f.Detail, "records who") {
		t.Errorf("%+v", f)
	}
	for sql, want := range map[string]string{
		"alter table lowcap_positions disable trigger lowcap_cdc_attribution":                                                                                 "no trigger on lowcap_positions",
		"create or replace function lowcap_cdc.attribute() returns trigger language plpgsql as 'begin return null; end'":                                      "was altered",
		"drop trigger lowcap_cdc_attribution on token_timeframe_blocks":                                                                                       "no trigger on token_timeframe_blocks",
		"alter function lowcap_cdc.attribute() reset all":                                                                                                     "was altered",
		"alter function lowcap_cdc.attribute() security invoker":                                                                                              "was altered",
		"alter function lowcap_cdc.attribution_keys() volatile":                                                                                               "was altered",
		"drop function lowcap_cdc.read_attribution_secret()":                                                                                                  "is missing",
		"delete from lowcap_cdc.attribution_secret":                                                                                                           "the secret is missing",
		"alter table lowcap_positions enable replica trigger lowcap_cdc_attribution":                                                                          "no trigger on lowcap_positions",
		"create or replace trigger lowcap_cdc_attribution before insert on token_timeframe_blocks for each statement execute function lowcap_cdc.attribute()": "no trigger on token_timeframe_blocks",
	} {
		p.exec(sql)
		if f := said(); f.Severity != check.Warn || !strings.Contains(f.Detail, want) {
			t.Errorf("%s: %+v", sql, f)
		}
	}
	if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
		t.Fatal(err)
	}
	if f := said(); f.Severity != check.OK {
		t.Errorf("repaired: %+v", f)
	}
	if dropped, err := TearDownAttribution(t.Context(), p.config); err != nil || len(dropped) != 8 {
		t.Errorf("%q, %v", dropped, err)
	}
	if after := objects(); after != before {
		t.Errorf("left: %s\nbefore: %s", after, before)
	}
}

// TestAttributionOfOtherVersions: pg_logical_emit_message has another form from Postgres 17 on, and each version keeps plans in
// its own way.
func TestAttributionOfOtherVersions(t *testing.T) {
	t.Parallel()
	for _, major := range []string{"14", "15", "16", "17", "18"} {
		t.Run(major, func(t *testing.T) {
			t.Parallel()
			server, err := startServer(t, major)
			if err != nil {
				t.Fatal(err)
			}
			p := newPlaceOn(t, server, "")
			if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
				t.Fatal(err)
			}
			p.exec(`select pg_create_logical_replication_slot(current_database() || '_shown', 'test_decoding')`)
			p.exec(fmt.Sprintf(anInsert, 1))
			if got := p.records(); len(got) != 1 || !strings.Contains(got[0], `["none","postgres"`) {
				t.Errorf("%q", got)
			}
		})
	}
}
