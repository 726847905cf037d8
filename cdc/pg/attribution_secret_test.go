package pg

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/decode"
)

// TestAttributionDoesNotWait locks the secret: a statement must not wait for it at all.
func TestAttributionDoesNotWait(t *testing.T) {
	t.Parallel()
	p := attributedPlace(t)
	locker := p.another()
	if _, err := locker.Exec(t.Context(), "begin; lock table lowcap_cdc.attribution_secret"); err != nil {
		t.Fatal(err)
	}
	p.exec("set statement_timeout = '5s'; set lock_timeout = '1ms'")
	p.exec(fmt.Sprintf(anInsert, 1))
	if got := p.records(); len(got) > 0 {
		t.Errorf("recorded behind a lock: %q", got)
	}
	if _, err := locker.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	p.exec(fmt.Sprintf(anInsert, 2))
	if got := p.records(); len(got) != 1 {
		t.Errorf("not recorded after it: %q", got)
	}
}

// TestAttributionTakesANewSecret: a session that goes on signs with the new one, however it was made.
func TestAttributionTakesANewSecret(t *testing.T) {
	t.Parallel()
	p := attributedPlace(t)
	session := p.another()
	for n, renew := range []func() error{
		func() error { return nil },
		func() error {
			_, err := p.conn.Exec(t.Context(), "drop table lowcap_cdc.attribution_secret")
			return err
		},
		func() error { _, err := TearDownAttribution(t.Context(), p.config); return err },
	} {
		if err := renew(); err != nil {
			t.Fatal(err)
		}
		statements, err := SetUpAttribution(t.Context(), p.config, false)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && !strings.Contains(strings.Join(statements, "\n"), "function lowcap_cdc.attribute()") {
			t.Errorf("%d: a session may keep the old secret: %q", n, statements)
		}
		if _, err := session.Exec(t.Context(), fmt.Sprintf("set search_path = public; "+anInsert, n)); err != nil {
			t.Fatal(err)
		}
		if got := p.records(); len(got) != 1 {
			t.Errorf("%d: %q", n, got)
		}
	}
}

// TestAttributionKeepsItsSecret: who writes the tables can neither read the secret nor make the server print it.
func TestAttributionKeepsItsSecret(t *testing.T) {
	t.Parallel()
	p := attributedPlace(t)
	writer := p.name + "_writer"
	p.exec(fmt.Sprintf("create role %[1]s login; grant all on all tables in schema public to %[1]s; grant usage on schema lowcap_cdc to %[1]s", writer))
	config, err := pgx.ParseConfig(p.as(writer).DSN)
	if err != nil {
		t.Fatal(err)
	}
	var heard strings.Builder
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Fprintln(&heard, n.Message, n.Detail) }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // the test is over
	for _, sql := range []string{"select inner_key from lowcap_cdc.attribution_secret", "select lowcap_cdc.read_attribution_secret()",
		"select lowcap_cdc.attribution_keys()"} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("anybody can run: %s", sql)
		}
	}
	if _, err := conn.Exec(t.Context(), `set client_min_messages = debug5; set debug_print_parse = on; set debug_print_rewritten = on;
		set debug_print_plan = on; set plpgsql.print_strict_params = on; set plan_cache_mode = force_custom_plan; discard plans; `+
		fmt.Sprintf(anInsert, 1)); err != nil {
		t.Fatal(err)
	}
	if got := p.records(); len(got) != 1 || !strings.Contains(heard.String(), "PLANNEDSTMT") {
		t.Fatalf("%q, and heard %s", got, heard.String())
	}
	keys, err := readSecret(t.Context(), p.conn)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(strings.Fields(heard.String()), " ") // the server breaks lines
	for _, key := range [][]byte{keys.inner, keys.outer} {
		if printed := asPrinted(key[:8]); strings.Contains(all, printed) || strings.Contains(all, hex.EncodeToString(key[:8])) {
			t.Errorf("the server has printed a key: %s", printed)
		}
	}
}

// asPrinted returns bytes as they stand in a plan that the server prints.
func asPrinted(bytes []byte) string {
	var text strings.Builder
	for _, b := range bytes {
		fmt.Fprintf(&text, "%d ", int8(b))
	}
	return text.String()
}

// TestAttributionHidesItsSecret: default privileges, which give every new table away, do not give the secret away; and check says who
// was given it later.
func TestAttributionHidesItsSecret(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	reader := p.name + " reader\"s"
	quoted := pgx.Identifier{reader}.Sanitize()
	p.exec("create role " + quoted + " login; alter default privileges grant all on tables to " + quoted + ", public; alter default privileges grant all on schemas to " + quoted)
	if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
		t.Fatal(err)
	}
	p.exec("alter default privileges revoke all on tables from " + quoted + ", public; alter default privileges revoke all on schemas from " + quoted)
	reads := func() bool {
		p.exec("set role " + quoted)
		_, err := p.conn.Exec(t.Context(), "select outer_key from lowcap_cdc.attribution_secret")
		p.exec("reset role")
		return err == nil
	}
	if reads() {
		t.Error("default privileges give the secret away")
	}
	said := func() check.Finding {
		found, err := readCatalog(t.Context(), p.conn, p.config)
		if err != nil {
			t.Fatal(err)
		}
		return checkAttribution(t.Context(), p.conn, p.config, &found)
	}
	if f := said(); f.Severity != check.OK {
		t.Errorf("%+v", f)
	}
	for _, grant := range []string{"grant select on lowcap_cdc.attribution_secret to " + quoted, "grant select (inner_key) on lowcap_cdc.attribution_secret to public"} {
		p.exec(grant)
		if f := said(); f.Severity != check.Warn || !strings.Contains(f.Detail, "may read the secret") || !strings.Contains(f.Repair, "revoke all") {
			t.Errorf("%s: %+v", grant, f)
		}
		p.exec("revoke all on lowcap_cdc.attribution_secret from " + quoted + ", public")
	}
}

// TestAttributionWithoutItsSecret: a copy of the schema, as pg_dump --schema-only makes it, has no secret, and a copy in parts may have
// two. Nothing is recorded then; check says so, and init draws a new one, which sessions take that are there.
func TestAttributionWithoutItsSecret(t *testing.T) {
	t.Parallel()
	p := attributedPlace(t)
	session := p.another()
	for n, sql := range []string{"delete from lowcap_cdc.attribution_secret", "insert into lowcap_cdc.attribution_secret select outer_key, inner_key from lowcap_cdc.attribution_secret"} {
		p.exec(sql)
		found, err := readCatalog(t.Context(), p.conn, p.config)
		if err != nil {
			t.Fatal(err)
		}
		if f := checkAttribution(t.Context(), p.conn, p.config, &found); f.Severity != check.Warn || !strings.Contains(f.Detail, "secret") {
			t.Errorf("%s: %+v", sql, f)
		}
		if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
			t.Fatal(err)
		}
		if f := checkAttribution(t.Context(), p.conn, p.config, &found); f.Severity != check.OK {
			t.Errorf("repaired: %+v", f)
		}
		if _, err := session.Exec(t.Context(), fmt.Sprintf("set search_path = public; "+anInsert, n)); err != nil {
			t.Fatal(err)
		}
		if got := p.records(); len(got) != 1 {
			t.Errorf("%q", got)
		}
	}
}

// TestAttributionOfAnOlderTrigger: what the trigger of an older version writes counts until init writes it anew, which check asks for.
func TestAttributionOfAnOlderTrigger(t *testing.T) {
	t.Parallel()
	p := attributedPlace(t)
	older, err := os.ReadFile("testdata/attribution_1.sql")
	if err != nil {
		t.Fatal(err)
	}
	p.exec(strings.ReplaceAll(string(older), "create function", "create or replace function"))
	p.exec(fmt.Sprintf(anInsert, 1))
	keys, err := readSecret(t.Context(), p.conn)
	if err != nil {
		t.Fatal(err)
	}
	by := attributed{keys: keys}
	got := p.shows()
	if len(got) != 1 || got[0].Version != 1 || !by.fits(&got[0].Session, got[0].xid) || by.fits(&got[0].Session, got[0].xid+1) ||
		!strings.Contains(string(got[0].Content), `"user" : "postgres"`) {
		t.Errorf("%+v", got)
	}
	found, err := readCatalog(t.Context(), p.conn, p.config)
	if err != nil {
		t.Fatal(err)
	}
	if f := checkAttribution(t.Context(), p.conn, p.config, &found); f.Severity != check.Warn || !strings.Contains(f.Detail, "of another version") ||
		!strings.Contains(f.Repair, "init --attribution") {
		t.Errorf("%+v", f)
	}
	if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
		t.Fatal(err)
	}
	p.exec(fmt.Sprintf(anInsert, 2))
	if got := p.records(); len(got) != 1 || !strings.HasPrefix(got[0], "[") {
		t.Errorf("%q", got)
	}
}

// TestAttributionForged: no message counts that somebody else has written, whatever he has seen of the trigger's.
func TestAttributionForged(t *testing.T) {
	t.Parallel()
	p := attributedPlace(t)
	p.exec(fmt.Sprintf(anInsert, 1))
	seen := p.shows()
	keys, err := readSecret(t.Context(), p.conn)
	if err != nil || len(seen) != 1 {
		t.Fatalf("%+v, %v", seen, err)
	}
	by := attributed{keys: keys}
	r := seen[0]
	for name, forge := range map[string]func(s *decode.Session){
		"another code":        func(s *decode.Session) { s.MAC[0] ^= 1 },
		"no code":             func(s *decode.Session) { s.MAC = make([]byte, 48) },
		"a part of it":        func(s *decode.Session) { s.MAC = s.MAC[:32] },
		"another content":     func(s *decode.Session) { s.Signed[len(s.Signed)-3] ^= 1 },
		"a longer content":    func(s *decode.Session) { s.Signed = append(s.Signed, ' ') },
		"another transaction": func(s *decode.Session) { s.Signed[7] ^= 1 },
		"another epoch":       func(s *decode.Session) { s.Signed[3] ^= 1 },
		"as an older version": func(s *decode.Session) { s.Version = 1 },
	} {
		s := decode.Session{Version: 2, MAC: bytes.Clone(r.MAC), Signed: bytes.Clone(r.Signed), Content: r.Content}
		forge(&s)
		if by.fits(&s, r.xid) {
			t.Errorf("%s counts", name)
		}
	}
	if !by.fits(&r.Session, r.xid) {
		t.Error("the true one does not count")
	}
}
