package pg

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
// disk.
var writes = []struct {
	name, sql string
	most      float64 // 0: it is only told
}{
	{
		"a document of 19 kB, durable", `\set n random(0, 19)
update lowcap_positions set features = jsonb_set(features, '{price}', to_jsonb(random())) where timeframe = 'p' || :n;`, mostCost,
	},
	{"one flag, not waited for", `set synchronous_commit = off;
update token_timeframe_blocks set blocked_s1 = not blocked_s1;`, 0},
}

// TestAttributionCost writes in pairs of runs with and without the trigger, on a server that keeps what it commits.
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
	if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
		t.Fatal(err)
	}
	for _, w := range writes {
		part, micros := p.cost(filepath.Join(t.TempDir(), "write.sql"), w.sql)
		t.Logf("%s: median of %d pairs %+.1f %%, %+.0f microseconds", w.name, *pairs, 100*part, micros)
		if w.most > 0 && part > w.most {
			t.Errorf("attribution costs %.1f %% of %s, and may cost %.0f %%", 100*part, w.name, 100*w.most)
		}
	}
}

// cost returns how much longer a script takes with the trigger than without, as a part and in microseconds: medians of all pairs.
func (p *place) cost(file, sql string) (part, micros float64) {
	p.t.Helper()
	if err := os.WriteFile(file, []byte(sql+"\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	var parts, more []float64
	p.bench(file)
	for n := range *pairs {
		var took [2]float64
		for k := range took {
			with := (n + k) % 2 // each goes first as often as the other
			for _, table := range []string{"lowcap_positions", "token_timeframe_blocks"} {
				p.exec("alter table " + table + [2]string{" disable", " enable"}[with] + " trigger " + attributionTrigger)
			}
			took[with] = p.bench(file)
		}
		parts, more = append(parts, took[1]/took[0]-1), append(more, 1000*(took[1]-took[0]))
		p.t.Logf("pair %d: %.3f ms without, %.3f ms with: %+.1f %%", n+1, took[0], took[1], 100*parts[n])
	}
	slices.Sort(parts)
	slices.Sort(more)
	return parts[len(parts)/2], more[len(more)/2]
}

var latency = regexp.MustCompile(`latency average = ([0-9.]+) ms`)

// bench returns how many milliseconds a write takes.
func (p *place) bench(script string) float64 {
	p.t.Helper()
	config, err := pgconn.ParseConfig(p.config.DSN)
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := exec.CommandContext(p.t.Context(), p.server.Program("pgbench"), "-n", "-M", "prepared", "-T", "3", "-h", config.Host, "-p", strconv.Itoa(int(config.Port)),
		"-U", config.User, "-f", script, p.name).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	found := latency.FindSubmatch(out)
	if found == nil {
		p.t.Fatalf("%s", out)
	}
	ms, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return ms
}
