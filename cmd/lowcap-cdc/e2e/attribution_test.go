package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/tidwall/gjson"
)

// TestAttribution: without the bot's help each event says who was connected, and no one can say it for another.
func TestAttribution(t *testing.T) {
	s := newSite(t)
	sink, events := s.file("x")
	if out := s.ok(sink, "init", "--attribution", "--dry-run"); !strings.Contains(out, "create or replace trigger") {
		t.Errorf("a dry run: %s", out)
	}
	if out, _ := s.verb(sink, "check"); !strings.Contains(out, "init --attribution makes") {
		t.Errorf("a dry run has changed something: %s", out)
	}
	s.ok(sink, "init", "--attribution")
	s.drain("k", sink)
	block := func(n int) string {
		return fmt.Sprintf(
			"insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1) values ('W%d', 'solana', '1h', true)",
			n,
		)
	}
	s.exec("create role " + s.name + "_anon; grant all on all tables in schema public to " + s.name + "_anon")
	s.exec(block(1))
	s.exec(
		"begin; set local role " + s.name + `_anon; select set_config('request.jwt.claims', '{"sub":"7f","role":"anon","email":"anna@example.org"}', true); ` + block(
			2,
		) + "; commit",
	)
	// Someone says that it was someone else, and writes what the trigger writes, as far as he can know it.
	forged := `{"xid":"0","user":"nobody","session_user":"nobody","application":"","client_address":null,"claims":null}`
	s.exec("begin; " + block(3) + "; select pg_logical_emit_message(true, 'lowcap-cdc.session', repeat('0', 64) || '" + forged + "'); " +
		"select pg_logical_emit_message(true, 'lowcap-cdc', '{\"actor\":\"the boss\"}'); " + block(4) + "; commit")
	s.exec("update token_timeframe_blocks set blocked_s1 = false where token_contract = 'W1'")
	s.drain("k", sink)
	by := func(contract, name string) gjson.Result {
		t.Helper()
		for _, e := range events() {
			if gjson.Get(e, "data.entity.token_contract").String() == contract && strings.Contains(gjson.Get(e, "type").String(), name) {
				return gjson.Get(e, "@this")
			}
		}
		t.Fatalf("no %s of %s", name, contract)
		return gjson.Result{}
	}
	if who := by("W1", "set").Get("data.origin.session"); who.Get("user").String() != "postgres" || who.Get("claims").Raw != "null" ||
		!who.Get("session_user").Exists() {
		t.Errorf("%s", who.Raw)
	}
	if who := by("W2", "set").Get("data.origin.session"); who.Get("user").String() != s.name+"_anon" ||
		who.Get("session_user").String() != "postgres" ||
		who.Get("claims.email").String() != "anna@example.org" {
		t.Errorf("%s", who.Raw)
	}
	for _, contract := range []string{"W3", "W4"} {
		if who := by(contract, "set").Get("data.origin.session.user").String(); who != "postgres" {
			t.Errorf("%s was made by %q", contract, who)
		}
	}
	if actor := by("W4", "set").Get("data.origin.actor").String(); actor != "the boss" {
		t.Errorf("what somebody said is %q", actor)
	}
	if severity := by("W1", "cleared").Get("severity").String(); severity != "info" {
		t.Errorf("a clear by somebody who is known is %s", severity)
	}
	if out := s.ok(sink, "audit", "W2"); !strings.Contains(out, "anna@example.org") {
		t.Errorf("who: %s", out)
	}
	if out := s.ok(sink, "audit", "verify"); !strings.Contains(out, "every event once") {
		t.Error(out)
	}
	if out := s.ok(sink, "check"); !strings.Contains(out, "records who") {
		t.Errorf("%s", out)
	}
	s.ok(sink, "teardown", "--attribution")
	s.exec(block(5))
	s.drain("k", sink)
	if who := by("W5", "set").Get("data.origin.session"); who.Raw != "null" {
		t.Errorf("without attribution: %s", who.Raw)
	}
}

// TestForgedRecordsAreCounted: what is ignored is seen, in the log and as a metric, also while nothing else is written.
func TestForgedRecordsAreCounted(t *testing.T) {
	s := newSite(t)
	sink, _ := s.file("x")
	s.ok(sink, "init", "--attribution")
	i := s.serve(sink)
	i.await("/readyz", 200, "")
	i.await("/metrics", 200, "\nlowcap_cdc_session_records_ignored_total 0")
	for range 3 {
		s.exec(`select pg_logical_emit_message(true, 'lowcap-cdc.session', repeat('0', 64) || '{"xid":"0","user":"nobody"}')`)
	}
	for _, of := range []string{"lowcap-cdc.session', 'short", "lowcap-cdc.session.2', 'short", "lowcap-cdc.session.x', '", "lowcap-cdc.session.3', 'of a newer trigger"} {
		s.exec(`select pg_logical_emit_message(true, '` + of + `')`)
	}
	s.exec("insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1) values ('W', 'solana', '1h', true)")
	i.await("/metrics", 200, "\nlowcap_cdc_session_records_ignored_total 7")
	waitFor(t, i.log, "1 records of who made a change were ignored: they do not carry")
	waitFor(t, i.log, "1 records of who made a change were ignored: they are of version 3")
}

// TestAttributionOfASecondSlot: a second slot, and a run that is cut, say the same bytes.
func TestAttributionOfASecondSlot(t *testing.T) {
	s := newSite(t)
	s.live()
	first, one := s.file("one")
	second, two := s.file("two")
	s.ok(first, "init", "--attribution")
	s.drain("k", first)
	s.drain("f", second)
	s.liveOn()
	conn, err := pgx.Connect(t.Context(), shared.postgres.DSN(s.name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the test is over
	if _, err := conn.Exec(t.Context(), `begin; update lowcap_positions set status = 'paused'; select pg_logical_emit_message(true, 'lowcap-cdc.session', 'x');
		update lowcap_positions set status = 'active'; commit`); err != nil {
		t.Fatal(err)
	}
	s.drain("k", first)
	s.drain("f", second)
	sameEvents(t, streamed(t, one()), streamed(t, two()))
	if last := one()[len(one())-1]; gjson.Get(last, "data.origin.session.session_user").String() != "postgres" {
		t.Errorf("%s", last)
	}
}
