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
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/tidwall/gjson"

	"lowcap-cdc/deploy/lab"
)

var pairs = flag.Int("pairs", 0, "how many pairs TestAttributionCost measures; 0 leaves it out")

// mostCost is what a transaction may pay for attribution, in microseconds, whether its writes are long or short.
const mostCost = 100

// mostPart is what attribution may be of the source's writes, in percent.
const mostPart = 5

// request makes a transaction of a statement, as PostgREST does of a request.
const request = `begin;
select set_config('search_path', 'public', true), set_config('role', current_database() || '_service', true),
 set_config('request.jwt.claims', '{"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "service_role", "iat": 1790000000, "exp": 2100000000}', true),
 set_config('request.method', 'PATCH', true), set_config('request.path', '/lowcap_positions', true), set_config('request.cookies', '{}', true),
 set_config('request.headers', '{"host": "localhost:3000", "accept": "*/*", "content-type": "application/json", "x-client-info": "supabase-py/2.10.0"}', true);
with written as (%s returning t.*) select count(*), coalesce(json_agg(written), '[]')::text,
 nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '') from written;
commit;`

// The source's three kinds of writes. %s is the table, :doc the document in a request's body, as the writer sends it: whole.
const (
	byID = ` where t.id = ('00000000-0000-0000-0000-' || lpad(:n::text, 12, '0'))::uuid`

	writeDocument = `update %s t set features = body.features from json_to_record(:doc::json) body (features jsonb)` + byID
	writeValue    = `update %s t set current_usd_value = random(), rpnl_usd = 1, rpnl_pct = 2, total_pnl_usd = 3, total_pnl_pct = 4, usd_alloc_remaining = 5,
 pnl_last_calculated_at = now()` + byID
	writeBlock = `insert into %s as t (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts, updated_at)
 values ('X', 'solana', 'p' || :n, true, now(), now()) on conflict (token_contract, token_chain, timeframe, book_id) do update
 set blocked_s1 = excluded.blocked_s1, last_s1_failure_ts = excluded.last_s1_failure_ts, updated_at = excluded.updated_at`
)

// writes are what is measured: those of the source, each in a request and waited for, and the least that a write can be. Each is done
// on a plain table, on one with a trigger that does nothing, and on the one with attribution.
var writes = []struct {
	name, table, sql string
	bytes            int     // of its document
	commit           string  // synchronous_commit
	often            float64 // what part of the source's writes it is: a third leaves the document alone, and blocks are rare
}{
	{"a document of 6 kB", "lowcap_positions", fmt.Sprintf(request, writeDocument), 6 << 10, "on", 0},
	{"a document of 20 kB", "lowcap_positions", fmt.Sprintf(request, writeDocument), 20 << 10, "on", 2. / 3},
	{"the same by plain SQL", "lowcap_positions", writeDocument + ";", 20 << 10, "on", 0},
	{"a position's value", "lowcap_positions", fmt.Sprintf(request, writeValue), 20 << 10, "on", 1. / 3},
	{"a block", "token_timeframe_blocks", fmt.Sprintf(request, writeBlock), 1, "on", 0},
	{"one flag by plain SQL, not waited for", "token_timeframe_blocks", "update %s set blocked_s1 = not blocked_s1 where timeframe = 'p' || :n;", 1, "off", 0},
}

// grown returns a recorded document of the source in the body of a request, grown to a size as the source's documents grow: by
// samples of a window.
func grown(t *testing.T, size int) string {
	t.Helper()
	traces, err := lab.Traces()
	if err != nil {
		t.Fatal(err)
	}
	var document string
	const samples = "uptrend_episode_meta.s1_episode.active_window.samples"
	for _, trace := range traces {
		for _, w := range trace.Log {
			if features := gjson.GetBytes(w.Payload, "features"); features.Get(samples + ".0").Exists() {
				document = features.Raw
			}
		}
	}
	sample := gjson.Get(document, samples+".0").Raw
	if sample == "" {
		t.Fatal("no recorded document has samples")
	}
	ts, price := gjson.Get(sample, "ts").Raw, gjson.Get(sample, "price").Raw
	var more strings.Builder
	for n := 0; len(document)+more.Len() < size; n++ {
		fmt.Fprintf(&more, ",%s", strings.NewReplacer(ts, strconv.Quote(time.Unix(int64(n), 0).UTC().Format(time.RFC3339Nano)),
			`"price": `+price, fmt.Sprintf(`"price": %g`, float64(n)/7)).Replace(sample))
	}
	document = strings.Replace(document, sample, sample+more.String(), 1)
	return `{"features":` + document + `}`
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
	p.exec(`insert into lowcap_positions (id, token_chain, token_contract, timeframe)
		select ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'solana', 'X', 'p' || n from generate_series(0, 19) n`)
	p.exec("insert into token_timeframe_blocks (token_contract, token_chain, timeframe) select 'X', 'solana', 'p' || n from generate_series(0, 19) n")
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
	var mixed [scripts]float64
	for _, w := range writes {
		document := grown(t, w.bytes)
		p.exec("alter database " + p.name + " set synchronous_commit = " + w.commit)
		for _, table := range []string{"lowcap_positions", "plain_lowcap_positions", "empty_lowcap_positions"} {
			p.exec("update " + table + " set features = '" + document + "'::jsonb -> 'features'")
		}
		took := p.cost(document, fmt.Sprintf(w.sql, "plain_"+w.table), fmt.Sprintf(w.sql, "empty_"+w.table), fmt.Sprintf(w.sql, w.table))
		t.Logf("%s: %.0f microseconds; a trigger that does nothing %+.0f, attribution %+.0f (%.1f %%); medians of %d turns",
			w.name, took[0], took[1], took[2], 100*took[2]/took[0], *pairs)
		if took[2] > mostCost {
			t.Errorf("attribution costs %.0f microseconds of %s, and may cost %d", took[2], w.name, mostCost)
		}
		for n := range took {
			mixed[n] += w.often * took[n]
		}
	}
	part := 100 * mixed[2] / mixed[0]
	t.Logf("of what the source writes, attribution is %.1f %%", part)
	if part > mostPart {
		t.Errorf("attribution is %.1f %% of what the source writes, and may be %d", part, mostPart)
	}
}

// scripts is how many are measured side by side.
const scripts = 3

// cost returns how long the first script takes, and how much longer each of the others: medians of all turns, in microseconds.
func (p *place) cost(document string, sql ...string) (took [scripts]float64) {
	p.t.Helper()
	dir := p.t.TempDir()
	for n, one := range sql {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(n)+".sql"), []byte("\\set n random(0, 19)\n"+one+"\n"), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	var all [scripts][]float64
	for turn := 0; turn < *pairs; turn++ {
		took := p.bench(dir, document)
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
func (p *place) bench(dir, document string) (took [scripts]float64) {
	p.t.Helper()
	config, err := pgconn.ParseConfig(p.config.DSN)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), p.server.Program("pgbench"), "-n", "-M", "prepared", "-T", "3", "-l", "-D", "doc="+document, "-h", config.Host, "-p",
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
