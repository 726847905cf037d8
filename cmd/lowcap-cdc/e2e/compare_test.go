package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/deploy/lab"
)

// TestCompareUnderLoad: while the source writes and the sidecar runs, the events tell just what the tables hold.
func TestCompareUnderLoad(t *testing.T) {
	for _, kind := range []string{"kafka", "file"} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			s.seedPositions(lab.LoadPositions)
			sink, _ := s.kafka()
			if kind == "file" {
				sink, _ = s.file("x")
			}
			s.drain("k", sink)
			stop, stopped := s.loadUntil(uint64(time.Now().UnixNano()))
			cmd := s.command("k", sink)
			log := newWatched("streaming")
			cmd.Stderr = log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-log.seen
			daemon, compared := s.comparing(sink)
			for range 5 {
				out := s.ok(sink, "audit", "compare")
				if !strings.Contains(out, ": 0 differences") {
					t.Error(out)
				}
			}
			close(stop)
			if err := <-stopped; err != nil {
				t.Fatal(err)
			}
			if out := s.ok(sink, "audit", "compare"); !strings.Contains(out, ": 0 differences") {
				t.Errorf("while nothing happens: %s", out)
			}
			s.stopComparing(daemon, compared)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			cmd.Wait() //nolint:errcheck // it was killed
			s.exec("update lowcap_positions set status = 'paused'")
			if out, code := s.verb(sink, "audit", "compare", "--patience", "1s"); code != 1 || !strings.Contains(out, "the sink is behind") {
				t.Errorf("exit %d: %s", code, out)
			}
		})
	}
}

// TestCompareFindsMutants takes one event out of the trail, as a sidecar would that swallows it, ten times another one.
func TestCompareFindsMutants(t *testing.T) {
	s := newSite(t)
	s.live()
	sink, events := s.file("x")
	s.drain("k", sink)
	s.liveOn()
	s.exec(`update lowcap_positions set current_trade_id = gen_random_uuid()`)
	s.exec(`update lowcap_positions set status = 'paused'`)
	s.exec(
		`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts) values ('NEW', 'solana', '1h', true, now())`,
	)
	s.exec(`insert into lowcap_positions (token_chain, token_contract, timeframe, features) values ('solana', 'NEW', '1h',
		'{"pm_execution_history":{"last_s1_buy":{"timestamp":"2026-01-18T11:00:00Z","price":1}}}')`)
	s.exec(
		`update lowcap_positions set features = jsonb_set(features, '{pm_execution_history,trim_pool}', '{"usd_basis":77}') where token_contract = 'NEW'`,
	)
	s.exec(
		`update lowcap_positions set features = jsonb_set(features, '{pm_execution_history,last_trim_signal}', '{"timestamp":"2026-01-19T11:00:00Z"}') where token_contract = 'NEW'`,
	)
	s.exec(
		`update lowcap_positions set features = jsonb_set(features, '{pm_execution_history,last_emergency_exit_ts}', '"2026-01-19T11:00:00Z"') where token_contract = 'NEW'`,
	)
	s.exec(`insert into lowcap_positions (token_chain, token_contract, timeframe) values ('solana', 'GONE', '1h')`)
	s.exec(`delete from lowcap_positions where token_contract = 'GONE'`)
	s.drain("k", sink)
	found := 0
	all := events()
	if out := s.ok(s.swallowed(all, -1), "audit", "compare"); !strings.Contains(out, ": 0 differences") {
		t.Fatal(out)
	}
	for at := len(all) - 1; at >= 0 && found < 10; at-- {
		if !isLast(all, at) {
			continue // a later event of the row tells it again
		}
		mutant := s.swallowed(all, at)
		out, code := s.verb(mutant, "audit", "compare", "--patience", "5s")
		if code != 1 || !strings.Contains(out, "DIFFERS") {
			t.Errorf("without %s: exit %d: %s", gjson.Get(all[at], "type"), code, out)
		}
		found++
	}
	if found < 10 {
		t.Errorf("only %d mutants", found)
	}
}

// isLast reports whether nothing that comes later tells what an event tells.
func isLast(all []string, at int) bool {
	kind := gjson.Get(all[at], "type").String()
	if strings.Contains(kind, "unknown_key") || strings.Contains(kind, "stream.") || strings.Contains(kind, "orphaned") ||
		strings.Contains(
			kind,
			"success_observed",
		) || strings.Contains(kind, "rebuy_used") || strings.Contains(kind, "dx_bought") || strings.Contains(kind, "position.created") {
		return false
	}
	family := func(text string) string {
		name := strings.Split(gjson.Get(text, "type").String(), ".")[1]
		return name + gjson.Get(text, "data.slot").String() + gjson.Get(text, "data.key").String()
	}
	// The entity of each event tells status and trade, also of one in the same change.
	columns := strings.Contains(kind, "status_changed") || strings.Contains(kind, "trade.")
	from := at + 1
	for columns && from > 0 && gjson.Get(all[from-1], "data.origin.commit_lsn").String() == gjson.Get(all[at], "data.origin.commit_lsn").String() {
		from--
	}
	return !slices.ContainsFunc(all[from:], func(later string) bool {
		same := later != all[at] && gjson.Get(later, "subject").String() == gjson.Get(all[at], "subject").String()
		return same &&
			(columns || family(later) == family(all[at]) || strings.Contains(kind, "position.baseline") || strings.Contains(kind, "execution."))
	})
}

// swallowed returns a sink that holds all events but one, numbered and chained as if it had never been.
func (s *site) swallowed(all []string, at int) string {
	s.t.Helper()
	r := &relay{s: s, dir: filepath.Join(s.t.TempDir(), fmt.Sprint("without", at))}
	r.begin()
	defer r.end()
	r.pass(all, at)
	return "file:" + r.dir
}
