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

// mostCost is how much longer a write of a whole document may take with attribution, as a part of it.
const mostCost = 0.05

// writes are what is measured: a whole document, as the source writes it, and the least that a write can be, which waits for no
// disk. The name of the table stands before and after %s: one has the trigger, the other is the same without.
var writes = []struct {
	name, table, sql string
	most             float64 // 0: it is only told
}{
	{"a document of 19 kB, durable", "lowcap_positions", `\set n random(0, 19)
update %s set features = jsonb_set(features, '{price}', to_jsonb(random())) where timeframe = 'p' || :n;`, mostCost},
	{"one flag, not waited for", "token_timeframe_blocks", "update %s set blocked_s1 = not blocked_s1;", 0},
}

// TestAttributionCost writes into two tables by turns, with and without the trigger, on a server that keeps what it commits.
// Both halves of a pair are taken in the same seconds, so what else the machine does weighs on both.
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
	for _, w := range writes {
		p.exec(fmt.Sprintf("create table plain_%[1]s (like %[1]s including all); insert into plain_%[1]s select * from %[1]s", w.table))
	}
	p.exec("create trigger touch before update on plain_lowcap_positions for each row execute function touch_lowcap_position()")
	if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
		t.Fatal(err)
	}
	for _, w := range writes {
		p.exec("alter database " + p.name + " set synchronous_commit = " + map[bool]string{true: "on", false: "off"}[w.most > 0])
		part, without, micros := p.cost(fmt.Sprintf(w.sql, "plain_"+w.table), fmt.Sprintf(w.sql, w.table))
		t.Logf("%s: median of %d pairs %+.1f %%, %+.0f of %.0f microseconds", w.name, *pairs, 100*part, micros, without)
		if w.most > 0 && part > w.most {
			t.Errorf("attribution costs %.1f %% of %s, and may cost %.0f %%", 100*part, w.name, 100*w.most)
		}
	}
}

// cost returns how much longer the second script takes than the first: as a part, and in microseconds beside what the first one
// takes; medians of all pairs.
func (p *place) cost(first, second string) (part, without, more float64) {
	p.t.Helper()
	dir := p.t.TempDir()
	for name, sql := range map[string]string{"0.sql": first, "1.sql": second} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(sql+"\n"), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	var parts, befores, mores []float64
	for n := 0; n < *pairs; n++ {
		took := p.bench(dir)
		if took[0] == 0 { // the machine's clock stood
			n--
			continue
		}
		parts, befores, mores = append(parts, took[1]/took[0]-1), append(befores, took[0]), append(mores, took[1]-took[0])
		p.t.Logf("pair %d: %.0f microseconds without, %.0f with: %+.1f %%", n+1, took[0], took[1], 100*parts[n])
	}
	return median(parts), median(befores), median(mores)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// bench runs both scripts by turns for some seconds, and returns the median of what a transaction of each took, in microseconds.
func (p *place) bench(dir string) (took [2]float64) {
	p.t.Helper()
	config, err := pgconn.ParseConfig(p.config.DSN)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), p.server.Program("pgbench"), "-n", "-M", "prepared", "-T", "3", "-l", "-h", config.Host, "-p",
		strconv.Itoa(int(config.Port)), "-U", config.User, "-f", "0.sql", "-f", "1.sql", p.name)
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
	var all [2][]float64
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var client, number, script int
		var micros float64
		if _, err := fmt.Sscan(lines.Text(), &client, &number, &micros, &script); err != nil {
			p.t.Fatalf("%v: %s", err, lines.Text())
		}
		all[script] = append(all[script], micros)
	}
	return [2]float64{median(all[0]), median(all[1])}
}
