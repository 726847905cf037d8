package pg

import (
	"regexp"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
)

// identity names the cases in which Postgres refuses an UPDATE of a published table.
var identity = regexp.MustCompile(`key|identity|partition`)

// since15 names the cases that need a publication with a column list or a row filter.
var since15 = regexp.MustCompile(`column list|row filter`)

// TestUnfitTables: what would make the bot's writes fail, or the stream lose or stop, is refused by init, run and check
// before anything is made in the database.
func TestUnfitTables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, want string }{
		"no primary key":       {`alter table lowcap_positions drop constraint lowcap_positions_pkey`, "has no primary key"},
		"identity nothing":     {`alter table token_timeframe_blocks replica identity nothing`, "replica identity nothing"},
		"deferrable key":       {`alter table lowcap_positions drop constraint lowcap_positions_pkey, add primary key (id) deferrable`, "deferrable primary key"},
		"identity index gone":  {`create unique index u on lowcap_positions (id); alter table lowcap_positions replica identity using index u; drop index u`, "lost the index"},
		"another identity":     {`alter table lowcap_positions replica identity using index lowcap_positions_token_contract_token_chain_timeframe_key`, `"id" is not in the replica identity`},
		"unlogged":             {`alter table token_timeframe_blocks set unlogged`, "is unlogged"},
		"inheritance child":    {`create table child () inherits (lowcap_positions)`, "no inherit"},
		"features as json":     {`alter table lowcap_positions drop features, add features json`, "has type json instead of jsonb"},
		"flag as text":         {`alter table token_timeframe_blocks drop blocked_s1, add blocked_s1 text`, "has type text instead of boolean"},
		"a domain over jsonb":  {`create domain document as jsonb; alter table lowcap_positions drop features, add features document`, "instead of jsonb"},
		"generated":            {`alter table lowcap_positions drop status, add status text generated always as ('x') stored`, `"status" is generated`},
		"a required one gone":  {`alter table lowcap_positions drop column current_trade_id`, `"current_trade_id" is missing`},
		"a view":               {`alter table lowcap_positions rename to hidden; create view lowcap_positions as select * from hidden`, "is a view"},
		"partition unfit":      {partitioned + `; create table p2 partition of token_timeframe_blocks for values in ('2h'); alter table p2 replica identity nothing`, "partition public.p2"},
		"row-level security":   {`create role NAMEr login replication; grant select on all tables in schema public to NAMEr; alter table lowcap_positions enable row level security`, "bypassrls"},
		"no right to read":     {`create role NAMEr login replication`, "grant select on"},
		"not in a column list": {`create publication lowcap_cdc for table lowcap_positions (id, status), token_timeframe_blocks`, "column list"},
		"row filter":           {`create publication lowcap_cdc for table lowcap_positions where (status = 'active'), token_timeframe_blocks`, "passes only rows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "")
			if since15.MatchString(name) && majorVersion(p.conn.PgConn()) < 15 {
				t.Skip("Postgres 14 has no such publication")
			}
			p.exec(posA + rowA)
			p.exec(strings.ReplaceAll(c.sql, "NAME", p.name))
			config := p.config
			if strings.Contains(c.sql, "create role") {
				config = p.as(p.name + "r")
			}
			const publications = `select coalesce(string_agg(to_jsonb(p)::text, ' '), '') from pg_publication_tables p`
			before := p.ask(publications)
			to := newMemorySink()
			for verb, attempt := range map[string]func() error{
				"init": func() error { _, err := Setup(t.Context(), config, false); return err },
				"run":  func() error { return p.runAs(config, to, "") },
			} {
				if err := attempt(); !IsPermanent(err) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: error is %v, want %q", verb, err, c.want)
				}
			}
			if after := p.ask(publications); after != before || to.count() > 0 || p.ask(`select count(*) from pg_replication_slots where database = current_database()`) != "0" {
				t.Errorf("publications %q before, %q after, %d events", before, after, to.count())
			}
			if text := failures(Check(t.Context(), config, &cdc.Checkpoint{})); !strings.Contains(text, c.want) {
				t.Errorf("check says %q, want %q", text, c.want)
			} else if identity.MatchString(name) && strings.Contains(text, "run: create publication") {
				t.Errorf("check advises what makes the bot's writes fail: %s", text)
			}
		})
	}
}

// failures returns what check found wrong.
func failures(findings []check.Finding) string {
	var all []string
	for _, f := range findings {
		if f.Severity != check.OK && f.Severity != check.Warn {
			all = append(all, f.Detail+"; run: "+f.Repair)
		}
	}
	return strings.Join(all, "\n")
}

const partitioned = `drop table token_timeframe_blocks; create table token_timeframe_blocks (token_contract text not null, token_chain text not null,
	timeframe text not null, book_id text not null default 'onchain_crypto', blocked_s1 boolean, blocked_s2 boolean, last_s1_failure_ts timestamptz,
	last_s2_failure_ts timestamptz, last_success_ts timestamptz, primary key (token_contract, token_chain, timeframe, book_id)) partition by list (timeframe);
	create table p1 partition of token_timeframe_blocks for values in ('1h')`

// TestPartitionedTable: its rows come as those of the table, and what happens to a partition by itself is told too.
func TestPartitionedTable(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(partitioned)
	p.exec(rowA)
	to := newMemorySink()
	if got := p.mustRun(to); got != "entry_block.baseline" {
		t.Fatalf("first events %q", got)
	}
	p.exec(clear)
	if got := p.mustRun(to); got != "entry_block.cleared" {
		t.Errorf("after the update %q", got)
	}
	p.background(p.config, to)
	before := to.count()
	p.exec(`alter table token_timeframe_blocks detach partition p1`)
	p.until("the detached row is told", func() bool { return strings.Contains(to.since(before), "entry_block.deleted") })
	if got := to.since(before); got != "table.missing table.present stream.gap entry_block.deleted" {
		t.Errorf("after the detachment %q", got)
	}
}

// TestPublicationWithoutRoot: one that was made without publish_via_partition_root gets it, by run and by init.
func TestPublicationWithoutRoot(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(partitioned)
	p.exec(rowA + `create publication lowcap_cdc for table token_timeframe_blocks, lowcap_positions`)
	if text := failures(Check(t.Context(), p.config, &cdc.Checkpoint{})); !strings.Contains(text, "set (publish_via_partition_root = true)") {
		t.Errorf("check says %q", text)
	}
	to := newMemorySink()
	p.mustRun(to)
	p.exec(clear)
	if got := p.mustRun(to); got != "entry_block.cleared" {
		t.Errorf("after the update %q", got)
	}
	p.exec(`alter publication lowcap_cdc set (publish_via_partition_root = false)`)
	if err := p.run(to); err == nil || !strings.Contains(err.Error(), "reconcile") {
		t.Errorf("without it: %v", err)
	}
}

// TestIdentityLostLater cannot be prevented: check and the log say it.
func TestIdentityLostLater(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	to := newMemorySink()
	p.mustRun(to)
	said := make(chan string, 10)
	c := p.config
	c.Notice = func(text string) { said <- text }
	p.background(c, to)
	p.exec(`alter table lowcap_positions replica identity nothing`)
	if text := <-said; !strings.Contains(text, "UPDATEs and DELETEs would fail") || !strings.Contains(text, "replica identity default") {
		t.Errorf("notice %q", text)
	}
	if text := failures(Check(t.Context(), p.config, &cdc.Checkpoint{})); !strings.Contains(text, "replica identity nothing") {
		t.Errorf("check says %q", text)
	}
}

// TestUnfitTableComesBack: the watcher puts no table into the publication whose updates would fail there.
func TestUnfitTableComesBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	to := newMemorySink()
	p.mustRun(to)
	said := make(chan string, 10)
	c := p.config
	c.Notice = func(text string) { said <- text }
	p.background(c, to)
	p.exec(`create table kept (like token_timeframe_blocks including defaults); drop table token_timeframe_blocks; alter table kept rename to token_timeframe_blocks;` + rowA)
	if text := <-said; !strings.Contains(text, "has no primary key") {
		t.Errorf("notice %q", text)
	}
	p.exec(clear)
	if got := p.ask(`select count(*) from pg_publication_tables where tablename = 'token_timeframe_blocks'`); got != "0" {
		t.Error("it is in the publication")
	}
	p.exec(`alter table token_timeframe_blocks add primary key (token_contract, token_chain, timeframe, book_id)`)
	p.until("its rows come", func() bool { return strings.Contains(to.since(0), "entry_block.baseline") })
}
