package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// said is an event as these tests look at it.
type said struct {
	Type string
	Data struct {
		Table, Why string
		Entity     struct {
			TokenContract string `json:"token_contract"`
		}
		Origin struct{ Op string }
	}
}

func (e said) name() string { return strings.TrimSuffix(strings.TrimPrefix(e.Type, "lowcap."), ".v1") }

func decodeSaid(t *testing.T, lines []string) []said {
	t.Helper()
	events := make([]said, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &events[i]); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
	}
	return events
}

func namesOf(events []said) []string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.name()
	}
	return names
}

// waitForEvents waits until the file sink holds an event of a type more often than before, and returns what came since.
func waitForEvents(t *testing.T, events func() []string, since int, name string) []said {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		found := decodeSaid(t, events()[since:])
		if slices.Contains(namesOf(found), name) {
			return found
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s among %q", name, namesOf(found))
		}
	}
}

const createBlocks = `create table token_timeframe_blocks (token_contract text not null, token_chain text not null, timeframe text not null,
	book_id text not null default 'onchain_crypto', blocked_s1 boolean, blocked_s2 boolean, last_s1_failure_ts timestamptz,
	last_s2_failure_ts timestamptz, last_success_ts timestamptz, primary key (token_contract, token_chain, timeframe, book_id))`

const blockA = `insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1) values ('A', 'solana', '1h', true)`

// TestMigrationAndRollback runs the source's own life beside the sidecar: the blocks do not exist yet, are migrated in,
// rolled back and migrated in again, and the positions' events continue all the while, also across a restart.
func TestMigrationAndRollback(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.exec(`drop table token_timeframe_blocks`)
	s.seedPositions(3)
	sink, events := s.file("x")
	s.drain("k", sink)
	if got := namesOf(decodeSaid(t, events())); !slices.Equal(
		got,
		[]string{"table.missing", "position.baseline", "position.baseline", "position.baseline"},
	) {
		t.Fatalf("first events %q", got)
	}
	first, _ := s.background(sink, "streaming")
	before := len(events())
	s.exec(createBlocks)
	s.exec(blockA)
	waitForEvents(t, events, before, "entry_block.baseline")
	s.exec(`update token_timeframe_blocks set blocked_s1 = false`)
	s.exec(`update lowcap_positions set status = 'active' where timeframe = 'p2'`)
	got := namesOf(waitForEvents(t, events, before, "position.status_changed"))
	if want := []string{"table.present", "entry_block.baseline", "entry_block.cleared", "position.status_changed"}; !slices.Equal(got, want) {
		t.Errorf("after the migration %q, want %q", got, want)
	}
	before = len(events())
	s.exec(`drop table token_timeframe_blocks`)
	waitForEvents(t, events, before, "table.missing")
	first.Process.Kill() //nolint:errcheck // it runs
	first.Wait()         //nolint:errcheck // it was killed
	s.exec(createBlocks)
	s.exec(blockA)
	s.background(sink, "starting")
	s.exec(`update lowcap_positions set status = 'paused' where timeframe = 'p2'`)
	got = namesOf(waitForEvents(t, events, before, "entry_block.baseline"))
	slices.Sort(got)
	if want := []string{"entry_block.baseline", "position.status_changed", "table.missing", "table.present"}; !slices.Equal(got, want) {
		t.Errorf("after the second migration %q, want %q", got, want)
	}
}

// TestPositionsMadeAnew drops and re-creates the table while the sidecar does not run, as the schema file does.
func TestPositionsMadeAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(2)
	sink, events := s.file("x")
	s.drain("k", sink)
	before := len(events())
	s.exec(
		`create table fresh (like lowcap_positions including all); drop table lowcap_positions; alter table fresh rename to lowcap_positions`,
	)
	s.seedPositions(1)
	s.background(sink, "starting")
	waitForEvents(t, events, before, "position.baseline")
	got := namesOf(decodeSaid(t, events()[before:]))
	slices.Sort(got)
	if want := []string{"position.baseline", "position.deleted", "table.missing", "table.present"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestRenamedTwice renames a table away and back, and once more: each time it is told. (Found by the simulation: the second time it was
// not, and whatever was made in its place was never followed.)
func TestRenamedTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.exec(blockA)
	sink, events := s.file("x")
	s.drain("k", sink)
	s.background(sink, "starting")
	for range 2 {
		before := len(events())
		s.exec(`alter table token_timeframe_blocks rename to away`)
		waitForEvents(t, events, before, "table.missing")
		s.exec(`alter table away rename to token_timeframe_blocks`)
		waitForEvents(t, events, before, "table.present")
	}
}

// TestTableLeavesThePublication takes a table out while the sidecar runs: what changes then is a gap that says so.
func TestTableLeavesThePublication(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.exec(blockA)
	sink, events := s.file("x")
	s.drain("k", sink)
	s.background(sink, "starting")
	before := len(events())
	s.exec(`begin; alter publication lowcap_cdc drop table token_timeframe_blocks; commit;
		update token_timeframe_blocks set blocked_s1 = false`)
	got := waitForEvents(t, events, before, "entry_block.cleared")
	if want := []string{"table.missing", "table.present", "stream.gap", "entry_block.cleared"}; !slices.Equal(namesOf(got), want) {
		t.Errorf("events %q, want %q", namesOf(got), want)
	}
	if last := got[len(got)-1]; last.Data.Origin.Op != "reconcile" {
		t.Errorf("the difference has op %s", last.Data.Origin.Op)
	}
}

// TestLostSlotIsReconciled loses the stream in each way that a database can, and runs on: one gap, the difference, the
// end of the reconcile, and the stream.
func TestLostSlotIsReconciled(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]string{
		"slot dropped":           `select pg_drop_replication_slot('SLOT')`,
		"slot read by another":   `select pg_replication_slot_advance('SLOT', pg_current_wal_lsn())`,
		"publication dropped":    `drop publication lowcap_cdc`,
		"publication made anew":  `drop publication lowcap_cdc; create publication lowcap_cdc for table token_timeframe_blocks, lowcap_positions`,
		"publication incomplete": `alter publication lowcap_cdc set (publish = 'insert')`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.seedPositions(3)
			sink, events := s.file("x")
			s.drain("k", sink)
			before := len(events())
			s.exec(`update lowcap_positions set status = 'active' where timeframe = 'p1'`)
			s.exec(strings.ReplaceAll(lose, "SLOT", s.name+"k"))
			s.drain("k", sink)
			s.exec(`update lowcap_positions set status = 'paused' where timeframe = 'p2'`)
			s.drain("k", sink)
			got := namesOf(decodeSaid(t, events()[before:]))
			if want := []string{"stream.gap", "position.status_changed", "stream.reconciled", "position.status_changed"}; !slices.Equal(got, want) {
				t.Errorf("events %q, want %q", got, want)
			}
		})
	}
}

// TestReconcileIsRepeatedAfterACrash kills a reconcile in the middle of its snapshot: the next run begins it again.
func TestReconcileIsRepeatedAfterACrash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(250)
	sink, events := s.file("x")
	s.drain("k", sink)
	before := len(events())
	s.exec(`select pg_drop_replication_slot($1)`, s.name+"k")
	s.exec(`update lowcap_positions set status = 'active' where timeframe = 'p1'`)
	s.crash(sink, "during-snapshot:2")
	s.drain("k", sink, "--no-reconcile") // the slot is there, and newer than the checkpoint: nothing may continue with it
	got := namesOf(decodeSaid(t, events()[before:]))
	if want := []string{"stream.gap", "position.status_changed", "stream.reconciled"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestSchemaChanges changes the tables under a running stream: what can be read continues, what cannot stops with one line
// that says what to do.
func TestSchemaChanges(t *testing.T) {
	t.Parallel()
	touch := `; update lowcap_positions set total_quantity = 5; insert into token_timeframe_blocks (token_contract, token_chain, timeframe) values ('N', 's', '1h');
		delete from lowcap_positions where timeframe = 'p2'`
	for name, c := range map[string]struct{ ddl, want string }{
		"column added":           {`alter table lowcap_positions add column extra text default 'x'`, ""},
		"optional one dropped":   {`alter table lowcap_positions drop column close_reason`, ""},
		"optional one renamed":   {`alter table lowcap_positions rename column book_id to book`, ""},
		"identity full":          {`alter table lowcap_positions replica identity full`, ""},
		"required one renamed":   {`alter table lowcap_positions rename column status to stat`, `column "status" is missing; make it again`},
		"features dropped":       {`alter table lowcap_positions drop column features`, `column "features" is missing; make it again`},
		"features retyped":       {`alter table lowcap_positions rename features to old; alter table lowcap_positions add features text`, `column "features" has type text instead of jsonb`},
		"flag retyped":           {`alter table token_timeframe_blocks rename blocked_s1 to old; alter table token_timeframe_blocks add blocked_s1 text`, `column "blocked_s1" has type text instead of boolean`},
		"identity another index": {`create unique index other on lowcap_positions (token_chain, token_contract, timeframe); alter table lowcap_positions replica identity using index other`, `replica identity default`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.seedPositions(3)
			sink, _ := s.file("x")
			s.drain("k", sink)
			s.exec(c.ddl + touch)
			cmd := s.command("k", sink, "--until", "now")
			out, err := cmd.CombinedOutput()
			code := cmd.ProcessState.ExitCode()
			if err != nil && code < 0 {
				t.Fatal(err)
			}
			if c.want == "" && code != 0 {
				t.Errorf("exit %d: %s", code, out)
			}
			if c.want != "" && (code != 3 || !strings.Contains(string(out), c.want)) {
				t.Errorf("exit %d, want 3 with %q: %s", code, c.want, out)
			}
		})
	}
}

// TestHiddenRows: what row-level security or a row filter would keep back is a stop, not a silence.
func TestHiddenRows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(1)
	role := s.name + "weak"
	s.exec(`create role ` + role + ` login replication; grant select on all tables in schema public to ` + role +
		`; create publication lowcap_cdc for table token_timeframe_blocks, lowcap_positions where (status = 'active')`)
	weak := strings.Replace(shared.postgres.DSN(s.name), "postgres@", role+"@", 1)
	sink, _ := s.file("x")
	args := []string{"run", "--postgres", weak, "--sink", sink, "--slot", s.name + "w"}
	for _, c := range []struct{ sql, want string }{
		{`select 1`, "passes only rows of"},
		{`alter publication lowcap_cdc set table token_timeframe_blocks, lowcap_positions; alter table lowcap_positions enable row level security`, "bypassrls"},
		{`alter table lowcap_positions disable row level security; revoke select on lowcap_positions from ` + role, "grant select on"},
	} {
		s.exec(c.sql)
		if code, line := lastLine(t, args...); code != 3 || !strings.Contains(line, c.want) {
			t.Errorf("exit %d, want 3 with %q: %s", code, c.want, line)
		}
	}
}
