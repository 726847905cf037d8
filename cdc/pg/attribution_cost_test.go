package pg

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/deploy/lab"
)

var pairs = flag.Int("pairs", 0, "how many pairs TestAttributionCost measures; 0 leaves it out")

// mostCost is what a transaction may pay for attribution, in microseconds, whether its writes are long or short.
const mostCost = 100

// writes are what is measured: a whole document, as the source writes it, the same in its way to the database, and the least that
// a write can be, which waits for no disk. %s is the table: a plain one, one with a trigger that does nothing, and the one with attribution.
var writes = []struct {
	name, table, sql string
	commit           string // synchronous_commit
}{
	{"a document of 19 kB, durable", "lowcap_positions", `\set n random(0, 19)
update %s set features = jsonb_set(features, '{price}', to_jsonb(random())) where timeframe = 'p' || :n;`, "on"},
	{"the same in a request of PostgREST", "lowcap_positions", `\set n random(0, 19)
begin;
select set_config('role', current_database() || '_service', true), set_config('request.method', 'PATCH', true),
 set_config('request.jwt.claims', '{"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "service_role", "iat": 1790000000, "exp": 2100000000}', true),
 set_config('request.headers', '{"host": "localhost:3000", "accept": "*/*", "content-type": "application/json", "x-client-info": "supabase-py/2.10.0"}', true);
update %s set features = jsonb_set(features, '{price}', to_jsonb(random())) where timeframe = 'p' || :n;
commit;`, "on"},
	{"one flag, not waited for", "token_timeframe_blocks", "update %s set blocked_s1 = not blocked_s1;", "off"},
}

// TestAttributionCost writes into three tables by turns, on a server that keeps what it commits. All are measured in the same
// seconds, so what else the machine does weighs on each.
func TestAttributionCost(t *testing.T) {
	if *pairs == 0 {
		t.Skip("it takes minutes; run: make attribution-cost")
	}
	server, err := lab.StartPostgres(t.Context(), "max_wal_size=4GB")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	p := newPlaceOn(t, server, "")
	p.exec(`insert into lowcap_positions (token_chain, token_contract, timeframe, features)
		select 'solana', 'X', 'p' || i, jsonb_build_object('filler', (select string_agg(md5(i || 'x' || k), '') from generate_series(1, 600) k),
		'pm_execution_history', '{"prev_state":"S2"}'::jsonb) from generate_series(0, 19) i`)
	p.exec("insert into token_timeframe_blocks (token_contract, token_chain, timeframe) values ('X', 'solana', '1h')")
	p.exec(`create function nothing() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp
		as 'begin return null; end'`)
	for _, table := range []string{"lowcap_positions", "token_timeframe_blocks"} {
		for _, copied := range []string{"plain_" + table, "empty_" + table} {
			p.exec(fmt.Sprintf("create table %[1]s (like %[2]s including all); insert into %[1]s select * from %[2]s", copied, table))
		}
		p.exec("create trigger nothing before update on empty_" + table + " for each statement execute function nothing()")
	}
	for _, copied := range []string{"plain_lowcap_positions", "empty_lowcap_positions"} {
		p.exec("create trigger touch before update on " + copied + " for each row execute function touch_lowcap_position()")
	}
	if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
		t.Fatal(err)
	}
	p.exec(fmt.Sprintf("create role %[1]s_service; grant all on all tables in schema public to %[1]s_service", p.name))
	for _, w := range writes {
		p.exec("alter database " + p.name + " set synchronous_commit = " + w.commit)
		took := p.cost(fmt.Sprintf(w.sql, "plain_"+w.table), fmt.Sprintf(w.sql, "empty_"+w.table), fmt.Sprintf(w.sql, w.table))
		t.Logf("%s: %.0f microseconds; a trigger that does nothing %+.0f, attribution %+.0f (%.1f %%); medians of %d turns",
			w.name, took[0], took[1], took[2], 100*took[2]/took[0], *pairs)
		if took[2] > mostCost {
			t.Errorf("attribution costs %.0f microseconds of %s, and may cost %d", took[2], w.name, mostCost)
		}
	}
}

// scripts is how many are measured side by side.
const scripts = 3

// cost returns how long the first script takes, and how much longer each of the others: medians of all turns, in microseconds.
func (p *place) cost(sql ...string) (took [scripts]float64) {
	p.t.Helper()
	dir := p.t.TempDir()
	for n, one := range sql {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(n)+".sql"), []byte(one+"\n"), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	var all [scripts][]float64
	for turn := 0; turn < *pairs; turn++ {
		took := p.bench(dir)
		if took[0] == 0 { // the machine's clock stood
			turn--
			continue
		}
		all[0], all[1], all[2] = append(all[0], took[0]), append(all[1], took[1]-took[0]), append(all[2], took[2]-took[0])
		p.t.Logf("turn %d: %.0f microseconds, with a trigger %.0f, with attribution %.0f", turn+1, took[0], took[1], took[2])
	}
	for n := range all {
		took[n] = median(all[n])
	}
	return took
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// bench runs the scripts by turns for some seconds, and returns the median of what a transaction of each took, in microseconds.
func (p *place) bench(dir string) (took [scripts]float64) {
	p.t.Helper()
	config, err := pgconn.ParseConfig(p.config.DSN)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), p.server.Program("pgbench"), "-n", "-M", "prepared", "-T", "3", "-l", "-h", config.Host, "-p",
		strconv.Itoa(int(config.Port)), "-U", config.User, "-f", "0.sql", "-f", "1.sql", "-f", "2.sql", p.name)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "pgbench_log.*"))
	if err != nil || len(logs) != 1 {
		p.t.Fatalf("%q %v", logs, err)
	}
	defer os.Remove(logs[0]) //nolint:errcheck // the directory goes too
	file, err := os.Open(logs[0])
	if err != nil {
		p.t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	var all [scripts][]float64
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var client, number, script int
		var micros float64
		if _, err := fmt.Sscan(lines.Text(), &client, &number, &micros, &script); err != nil {
			p.t.Fatalf("%v: %s", err, lines.Text())
		}
		all[script] = append(all[script], micros)
	}
	return [scripts]float64{median(all[0]), median(all[1]), median(all[2])}
}
