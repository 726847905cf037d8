package pg

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

// stranger connects as a role without any right.
func (p *place) stranger() *pgx.Conn {
	p.t.Helper()
	role := p.name + "stranger"
	p.exec(`create role ` + role + ` login`)
	conn, err := pgx.Connect(p.t.Context(), p.as(role).DSN)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close(context.Background()) }) //nolint:errcheck // the test is over
	return conn
}

// forge writes messages that look like a sidecar's and name the true table.
func (p *place) forge(conn *pgx.Conn, why, since string) {
	p.t.Helper()
	_, err := conn.Exec(p.t.Context(), `select pg_logical_emit_message(true, 'lowcap-cdc.table', format('{"table":"token_timeframe_blocks","oid":%s,"member":%s,"why":"%s","since_lsn":%s,"since_time":%s}',
		c.oid, r.oid, $1::text, $2::text, $2::text)) from pg_class c join pg_publication_rel r on r.prrelid = c.oid where c.relname = 'token_timeframe_blocks'`, why, since)
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestForgedMarkers: a role without rights changes nothing by what it writes into the WAL, neither places nor times nor
// texts, also for a slot that reads it only after the table has really gone; both slots tell the same bytes.
func TestForgedMarkers(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(rowA)
	second := p.config
	second.Slot += "_second"
	to, late := newMemorySink(), newMemorySink()
	p.mustRun(to)
	if err := p.runAs(second, late, ""); err != nil {
		t.Fatal(err)
	}
	lateBefore := late.count()
	conn := p.stranger()
	p.forge(conn, "it was dropped", "1")
	p.forge(conn, "it was dropped", "9223372036854775807")
	p.forge(conn, strings.Repeat("x", 1200000), "1")
	p.exec(clear)
	if got := p.mustRun(to); got != "entry_block.cleared" {
		t.Errorf("with forged markers %q", got)
	}
	p.exec(`drop table token_timeframe_blocks`)
	p.until("the table is missed", func() bool {
		return strings.Contains(p.mustRun(to), "table.missing") || strings.Contains(to.since(0), "table.missing")
	})
	if err := p.runAs(second, late, ""); err != nil {
		t.Fatal(err)
	}
	if got := late.since(lateBefore); got != "entry_block.cleared table.missing" {
		t.Errorf("the second slot says %q", got)
	}
	chain := regexp.MustCompile(`"chain":"[0-9a-f]*"`) // it holds the baselines, which are of two snapshots
	if one, two := chain.ReplaceAllString(to.last(), ""), chain.ReplaceAllString(late.last(), ""); one != two {
		t.Errorf("two slots say\n%s\n%s", one, two)
	}
}

// TestForgedMarkersWithoutOwnership: a role that cannot write the board still misses a table, and believes no marker of a
// table that is there.
func TestForgedMarkersWithoutOwnership(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	role := p.name + "weak"
	p.exec(`create role ` + role + ` login replication; grant select on all tables in schema public to ` + role +
		`; create publication lowcap_cdc for table token_timeframe_blocks, lowcap_positions`)
	p.exec(rowA)
	to, config := newMemorySink(), p.as(role)
	if err := p.runAs(config, to, ""); err != nil {
		t.Fatal(err)
	}
	before := to.count()
	p.forge(p.stranger(), "it was dropped", "1")
	p.exec(clear)
	if err := p.runAs(config, to, ""); err != nil || to.since(before) != "entry_block.cleared" {
		t.Errorf("with a forged marker %q, %v", to.since(before), err)
	}
	p.exec(`drop table token_timeframe_blocks`)
	if err := p.runAs(config, to, ""); err != nil || to.since(before) != "entry_block.cleared table.missing" {
		t.Errorf("without the table %q, %v", to.since(before), err)
	}
}

// TestUntilNowTellsADroppedTable, and keeps what the owner wrote as the publication's comment.
func TestUntilNowTellsADroppedTable(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(rowA)
	to := newMemorySink()
	p.mustRun(to)
	p.exec(`comment on publication lowcap_cdc is 'for the bot'; drop table token_timeframe_blocks`)
	if got := p.mustRun(to); got != "table.missing" {
		t.Errorf("after the drop %q", got)
	}
	if got := p.ask(`select obj_description(oid, 'pg_publication') from pg_publication`); !strings.HasPrefix(got, "for the bot\n"+boardLead) {
		t.Errorf("comment %q", got)
	}
}

// TestRoleThatMayNotWriteMessages streams all the same.
func TestRoleThatMayNotWriteMessages(t *testing.T) {
	t.Parallel()
	server, err := startServer(t, "")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlaceOn(t, server, "")
	p.exec(`create role weak login replication; grant select on all tables in schema public to weak;
		create publication lowcap_cdc for table token_timeframe_blocks, lowcap_positions`)
	right, err := readMessageRight(t.Context(), p.conn)
	if err != nil {
		t.Fatal(err)
	}
	p.exec(right.revoke())
	to, config := newMemorySink(), p.as("weak")
	said := make(chan string, 10)
	config.Notice = func(text string) { said <- text }
	p.background(config, to)
	p.exec(rowA)
	p.until("a row is told", func() bool {
		return strings.Contains(to.since(0), "entry_block.set") || strings.Contains(to.since(0), "entry_block.baseline")
	})
	p.exec(`drop table token_timeframe_blocks`)
	if text := <-said; !strings.Contains(text, "told late or not at all") {
		t.Errorf("notice %q", text)
	}
}

// TestTicks are written only while something waits, one in ten seconds.
func TestTicks(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(`select pg_create_logical_replication_slot('` + p.name + `_reader', 'test_decoding')`)
	ticks := func() int {
		rows, err := p.conn.Query(t.Context(), `select data from pg_logical_slot_peek_changes('`+p.name+`_reader', null, null) where data like '%prefix: `+decode.TickPrefix+`,%'`)
		if err != nil {
			t.Fatal(err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	var due bool
	conn, err := p.config.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // the test is over
	w := &watcher{kept: kept{p.config, conn}, due: func() bool { return due }}
	for _, step := range []struct {
		due  bool
		ago  time.Duration // since the last tick
		want int
	}{{false, time.Hour, 0}, {true, time.Hour, 1}, {true, 0, 1}, {true, tickEvery, 2}, {false, time.Hour, 2}} {
		if due = step.due; step.ago > 0 {
			w.ticked = time.Now().Add(-step.ago)
		}
		if err := w.tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ticks(); got != step.want {
			t.Errorf("%+v: %d ticks", step, got)
		}
	}
}

// TestBoardIsBounded: the newest markers stay.
func TestBoardIsBounded(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(`create publication lowcap_cdc for table token_timeframe_blocks, lowcap_positions`)
	var last *decode.TableGone
	for n := range uint32(boardEntries + 3) {
		last = &decode.TableGone{Table: decode.Blocks, ID: decode.TableID{OID: n}, Why: decode.WhyDropped}
		if err := post(t.Context(), p.conn, p.config, last); err != nil {
			t.Fatal(err)
		}
	}
	b, err := readBoard(t.Context(), p.conn, p.config)
	if err != nil || len(b.entries) != boardEntries || !slices.Contains(b.entries, prefixOf(last.Table, last.ID)+last.Digest) {
		t.Errorf("%d entries, %v", len(b.entries), err)
	}
	again := &decode.TableGone{Table: decode.Blocks, ID: last.ID, Why: decode.WhyDropped}
	if err := post(t.Context(), p.conn, p.config, again); err != nil || again.Digest != "" {
		t.Errorf("a marker of the same table was written again: %q, %v", again.Digest, err)
	}
	if text := fmt.Sprint(b.entries); strings.Contains(text, prefixOf(last.Table, decode.TableID{OID: 0})) {
		t.Error("the oldest entry is still there")
	}
}
