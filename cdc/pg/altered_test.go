package pg

import (
	"errors"
	"strings"
	"testing"

	"lowcap-cdc/decode"
)

// TestRenamedForAMoment: a table that has another name, or is in another schema, for the length of some writes is the same.
func TestRenamedForAMoment(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"table, in one transaction": `begin; alter table token_timeframe_blocks rename to x; update x set blocked_s1 = false; alter table x rename to token_timeframe_blocks; commit`,
		"table":                     `alter table token_timeframe_blocks rename to x; update x set blocked_s1 = false; alter table x rename to token_timeframe_blocks`,
		"schema of the table":       `create schema z; alter table token_timeframe_blocks set schema z; update z.token_timeframe_blocks set blocked_s1 = false; alter table z.token_timeframe_blocks set schema public`,
		"schema":                    `alter schema public rename to z; update z.token_timeframe_blocks set blocked_s1 = false; alter schema z rename to public`,
		"with a large row":          `alter table token_timeframe_blocks add note text; alter table token_timeframe_blocks rename to x; update x set blocked_s1 = false, note = repeat('x', 2000000); alter table x rename to token_timeframe_blocks`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "")
			p.exec(rowA)
			to := newMemorySink()
			p.mustRun(to)
			for _, statement := range strings.Split(sql, "; ") {
				p.exec(statement)
			}
			if got := p.mustRun(to); got != "entry_block.cleared" {
				t.Errorf("then %q", got)
			}
		})
	}
}

// TestPublicationAlteredForAMoment: what a publication left out for a while nobody can know, so the stream is not trusted.
func TestPublicationAlteredForAMoment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, sql string }{
		"kinds of change": {"", `alter publication lowcap_cdc set (publish = 'insert'); ` + clear + `; alter publication lowcap_cdc set (publish = 'insert, update, delete, truncate')`},
		"name":            {"", `alter publication lowcap_cdc rename to x; ` + clear + `; alter publication x rename to lowcap_cdc`},
		"schema": {`create publication lowcap_cdc for tables in schema public`,
			`alter publication lowcap_cdc drop tables in schema public; ` + clear + `; alter publication lowcap_cdc add tables in schema public`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "")
			if c.before != "" && majorVersion(p.conn.PgConn()) < 15 {
				t.Skip("a publication of schemas needs Postgres 15")
			}
			p.exec(rowA + c.before)
			to := newMemorySink()
			p.mustRun(to)
			for _, statement := range strings.Split(c.sql, "; ") {
				p.exec(statement)
			}
			var lost *LostError
			if err := p.run(to); !errors.As(err, &lost) {
				t.Fatalf("the stream goes on: %v, %q", err, to.since(0))
			}
			before := to.count()
			config := p.config
			config.Slot += "_new"
			if err := p.runAs(config, to, lost.Why); err == nil || !strings.Contains(err.Error(), p.config.Slot) {
				t.Fatalf("another slot: %v", err)
			}
			p.alter(`select pg_drop_replication_slot('` + p.config.Slot + `')`)
			if err := p.runAs(p.config, to, lost.Why); err != nil || to.since(before) != "stream.gap entry_block.cleared stream.reconciled" {
				t.Errorf("reconciled %q, %v", to.since(before), err)
			}
			if got := p.mustRun(to); got != "" {
				t.Errorf("after that %q", got)
			}
		})
	}
}

// TestCheckpointThatKnowsTheOID of the publication, as older versions wrote it, goes on.
func TestCheckpointThatKnowsTheOID(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.mustRun(newMemorySink())
	found, err := readCatalog(t.Context(), p.conn, p.config)
	if err != nil || found.publication == found.version {
		t.Fatalf("%+v, %v", found, err)
	}
	for known, good := range map[uint32]bool{0: true, found.publication: true, found.version: true, found.publication + 1: false} {
		if err := found.checkPublished(p.config, known); (err == nil) != good {
			t.Errorf("known %d: %v", known, err)
		}
	}
}

// TestRowMovesToAnotherPartition in an update: it is an update.
func TestRowMovesToAnotherPartition(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(`alter table lowcap_positions rename to plain; create table lowcap_positions (like plain including defaults) partition by list (timeframe);
		alter table lowcap_positions add primary key (id, timeframe); create table q1 partition of lowcap_positions for values in ('1h');
		create table q2 (dropped int, like plain including defaults); alter table q2 drop dropped, alter id set not null;
		alter table lowcap_positions attach partition q2 for values in ('4h')`)
	p.exec(posA + strings.Replace(posA, "'A'", "'B'", 1))
	to := newMemorySink()
	p.mustRun(to)
	p.exec(`update lowcap_positions set timeframe = '4h', features = '{"pm_execution_history": {"last_trim": {"timestamp": "2026-01-20T10:00:00Z", "signal": "emergency_exit"}}}'`)
	if got := p.mustRun(to); got != "emergency_exit.executed emergency_exit.executed" {
		t.Errorf("after the move %q", got)
	}
	p.exec(`begin; delete from lowcap_positions where token_contract = 'A'; ` + posA + `commit`)
	if got := p.mustRun(to); got != "position.deleted position.created" {
		t.Errorf("a row deleted, another inserted: %q", got)
	}
	p.exec(`delete from lowcap_positions where token_contract = 'A'`)
	if got := p.mustRun(to); got != "position.deleted" {
		t.Errorf("a row deleted: %q", got)
	}
}

// TestUntilNowReadsATableThatIsBack: who only ever runs up to now misses nothing either.
func TestUntilNowReadsATableThatIsBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(rowA)
	to := newMemorySink()
	p.mustRun(to)
	p.exec(`alter publication lowcap_cdc drop table token_timeframe_blocks`)
	p.exec(clear)
	if got := p.mustRun(to); got != "table.missing" {
		t.Errorf("taken out: %q", got)
	}
	if got := p.mustRun(to); got != "table.present stream.gap entry_block.cleared" {
		t.Errorf("back: %q", got)
	}
}

// TestOddNames of publications.
func TestOddNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`we"ird`, `a, b; c`, `it's\`, strings.Repeat("ü", 31), `"`} {
		p := newPlace(t, "")
		p.config.Publication = name
		p.exec(rowA)
		to := newMemorySink()
		p.mustRun(to)
		p.exec(clear)
		if got := p.mustRun(to); got != "entry_block.cleared" {
			t.Errorf("%s: %q", name, got)
		}
		if _, err := Teardown(t.Context(), p.config, true); err != nil {
			t.Error(err)
		}
	}
}

// TestRewrittenByDDL: ALTER TABLE changes values without a word in the stream, so the log has to say it. What leaves the values
// alone is not told.
func TestRewrittenByDDL(t *testing.T) {
	t.Parallel()
	for sql, told := range map[string]bool{
		`alter table token_timeframe_blocks alter blocked_s1 type boolean using true`:                                          true,
		`alter table token_timeframe_blocks drop column blocked_s2; alter table token_timeframe_blocks add blocked_s2 boolean`: true,
		`vacuum full token_timeframe_blocks`:                                           false,
		`alter table token_timeframe_blocks alter blocked_s1 set default true`:         false,
		`alter table token_timeframe_blocks add note text default md5(random()::text)`: false,
		`truncate token_timeframe_blocks`:                                              false,
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "")
			p.exec(rowA)
			p.mustRun(newMemorySink())
			var said []string
			w := &watcher{kept: kept{config: p.config}}
			w.config.Notice = func(text string) { said = append(said, text) }
			look := func() {
				found, err := readCatalog(t.Context(), p.conn, p.config)
				if err != nil {
					t.Fatal(err)
				}
				for _, table := range decode.Tables {
					w.noticeUnfit(table, &found.tables[table])
				}
			}
			look()
			for statement := range strings.SplitSeq(sql, "; ") {
				p.exec(statement)
			}
			look()
			look()
			if got := strings.Join(said, "; "); strings.Contains(got, "rewritten") != told || len(said) > 1 {
				t.Errorf("said %q", got)
			}
		})
	}
}
