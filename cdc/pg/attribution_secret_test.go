package pg

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
