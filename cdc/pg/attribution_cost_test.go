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

// mostCost is how much longer a write may take with attribution, as a part of it.
const mostCost = 0.05

// TestAttributionCost writes whole documents as the source does, in pairs of runs with and without the trigger, on a server that
// keeps what it commits.
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
	if _, err := SetUpAttribution(t.Context(), p.config, false); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "write.sql")
	sql := "\\set n random(0, 19)\nupdate lowcap_positions set features = jsonb_set(features, '{price}', to_jsonb(random())) where timeframe = 'p' || :n;\n"
	if err := os.WriteFile(script, []byte(sql), 0o600); err != nil {
		t.Fatal(err)
	}
	var costs []float64
	p.bench(script)
	for n := range *pairs {
		p.exec("alter table lowcap_positions disable trigger " + attributionTrigger)
		without := p.bench(script)
		p.exec("alter table lowcap_positions enable trigger " + attributionTrigger)
		with := p.bench(script)
		costs = append(costs, with/without-1)
		t.Logf("pair %d: %.3f ms without, %.3f ms with: %+.1f %%", n+1, without, with, 100*(with/without-1))
	}
	slices.Sort(costs)
	median := costs[len(costs)/2]
	t.Logf("median of %d pairs: %+.1f %%", len(costs), 100*median)
	if median > mostCost {
		t.Errorf("attribution costs %.1f %% of a write, and may cost %.0f %%", 100*median, 100*mostCost)
	}
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
