package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/tidwall/gjson"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/schemas"
	sinks "lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

var places = flag.Int("places", 40, "at how many moments TestAtAnyMoment looks")

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
	dir := filepath.Join(s.t.TempDir(), fmt.Sprint("without", at))
	to, err := file.New(dir, file.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer to.Close() //nolint:errcheck // the commit is what counts
	if err := to.Resume(s.t.Context(), func(string, []byte) error { return nil }); err != nil {
		s.t.Fatal(err)
	}
	batch := &cdc.Batch{}
	var chain schemas.Chain
	for i, text := range all {
		if i == at {
			continue
		}
		number, hash := chain.Next()
		text = strings.Replace(text, `"number":"`+gjson.Get(text, "number").String()+`"`, fmt.Sprintf(`"number":"%d"`, number), 1)
		text = strings.Replace(text, `"chain":"`+gjson.Get(text, "chain").String()+`"`, `"chain":"`+hash+`"`, 1)
		chain.Add(number, []byte(text))
		stored := &sinks.Stored{Value: []byte(text)}
		batch.Events = append(batch.Events, cdc.Event{Attributes: stored.Attributes(), Value: stored.Value})
	}
	parts := strings.Split(batch.Events[0].Source, "/")
	known := cdc.Checkpoint{Identity: cdc.Identity{SystemID: parts[2], Database: parts[3]}, Slot: s.name + "k", Events: chain, LSN: 1 << 60}
	value, err := json.Marshal(known)
	if err != nil {
		s.t.Fatal(err)
	}
	batch.State = []cdc.StateRecord{{Key: cdc.CheckpointKey, Value: value}}
	if err := to.Commit(s.t.Context(), batch); err != nil {
		s.t.Fatal(err)
	}
	return "file:" + dir
}

// moment is what a query saw in a snapshot that was exported at an LSN.
type moment struct {
	lsn             string
	blocked, trades string
	pools           map[string]bool // ids of positions whose pool holds something; false: it cannot be read
}

// TestAtAnyMoment looks at the tables in snapshots whose place in the WAL the server knows, while they are written to, and
// asks the events alone for the same places.
func TestAtAnyMoment(t *testing.T) {
	s := newSite(t)
	s.seedPositions(lab.LoadPositions)
	sink, _ := s.file("x")
	s.drain("k", sink)
	stop, stopped := s.loadUntil(uint64(time.Now().UnixNano()))
	moments := s.moments(*places)
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	s.drain("k", sink)
	for _, m := range moments {
		out := s.ok(sink, "audit", "at", m.lsn, "--json")
		list := func(rows, format string) string {
			var texts []string
			gjson.Get(out, rows).ForEach(func(_, row gjson.Result) bool {
				var fields []any
				for _, f := range strings.Split(format, " ") {
					fields = append(fields, strings.Trim(strings.Join(strings.Fields(row.Get(f).Raw), ""), `"`))
				}
				texts = append(texts, strings.TrimSuffix(fmt.Sprintln(fields...), "\n"))
				return true
			})
			slices.Sort(texts)
			return strings.Join(texts, "\n")
		}
		if got := list("blocked", "token_contract book_id stages"); got != m.blocked {
			t.Errorf("blocked at %s:\n%s\nwant\n%s", m.lsn, got, m.blocked)
		}
		if got := list("trades", "position_id trade_id"); got != m.trades {
			t.Errorf("trades at %s:\n%s\nwant\n%s", m.lsn, got, m.trades)
		}
		for _, id := range strings.Fields(list("pools", "position_id")) {
			if _, holds := m.pools[id]; !holds {
				t.Errorf("at %s the pool of %s held nothing", m.lsn, id)
			}
			delete(m.pools, id)
		}
		for id, readable := range m.pools {
			if readable { // else it is what it last was
				t.Errorf("at %s the pool of %s held something", m.lsn, id)
			}
		}
	}
	if out, code := s.verb(sink, "audit", "at", "0/1"); code != 1 || !strings.Contains(out, "begins with the baseline") {
		t.Errorf("before the baseline: exit %d: %s", code, out)
	}
}

// moments queries n exported snapshots.
func (s *site) moments(n int) (all []moment) {
	s.t.Helper()
	config, err := pgconn.ParseConfig(shared.postgres.DSN(s.name))
	if err != nil {
		s.t.Fatal(err)
	}
	config.RuntimeParams["replication"] = "database"
	server, err := pgconn.ConnectConfig(s.t.Context(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	defer server.Close(s.t.Context()) //nolint:errcheck // its slot is temporary
	reader, err := pgx.Connect(s.t.Context(), shared.postgres.DSN(s.name))
	if err != nil {
		s.t.Fatal(err)
	}
	defer reader.Close(s.t.Context()) //nolint:errcheck // it only read
	for range n {
		slot := s.name + "_moment"
		results, err := server.Exec(s.t.Context(), "CREATE_REPLICATION_SLOT "+slot+" TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT").ReadAll()
		if err != nil {
			s.t.Fatal(err)
		}
		m := moment{lsn: string(results[0].Rows[0][1])}
		s.look(reader, string(results[0].Rows[0][2]), &m)
		all = append(all, m)
		if _, err := server.Exec(s.t.Context(), "DROP_REPLICATION_SLOT "+slot).ReadAll(); err != nil {
			s.t.Fatal(err)
		}
		<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond) // the random place
	}
	return all
}

func (s *site) look(reader *pgx.Conn, snapshot string, m *moment) {
	s.t.Helper()
	tx, err := reader.BeginTx(s.t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		s.t.Fatal(err)
	}
	defer tx.Rollback(s.t.Context()) //nolint:errcheck // it only read
	if _, err := tx.Exec(s.t.Context(), "set transaction snapshot '"+snapshot+"'"); err != nil {
		s.t.Fatal(err)
	}
	err = tx.QueryRow(s.t.Context(), `select
		coalesce((select string_agg(line, e'\n' order by line collate "C") from (select token_contract || ' ' || book_id || ' [' ||
			concat_ws(',', case when blocked_s1 then '"s1"' end, case when blocked_s2 then '"s2"' end) || ']' line
			from token_timeframe_blocks where blocked_s1 or blocked_s2) b), ''),
		coalesce((select string_agg(id || ' ' || current_trade_id, e'\n' order by id) from lowcap_positions where current_trade_id is not null), '')`).
		Scan(&m.blocked, &m.trades)
	if err != nil {
		s.t.Fatal(err)
	}
	rows, err := tx.Query(s.t.Context(), "select id::text, features::text from lowcap_positions where features is not null")
	if err != nil {
		s.t.Fatal(err)
	}
	m.pools = make(map[string]bool)
	var id, features string
	_, err = pgx.ForEachRow(rows, []any{&id, &features}, func() error {
		raw, err := cdc.HistoryOf([]byte(features))
		if err != nil {
			return err
		}
		history, err := cdc.ReadHistory(raw)
		if pool := history.Get("trim_pool"); err == nil && !pool.IsEmpty() {
			m.pools[id] = !pool.IsUnread()
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}
