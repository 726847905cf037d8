package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
)

// verb runs a verb of the binary on the site's names and returns its output and exit code.
func (s *site) verb(sink, name string, args ...string) (out string, code int) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), shared.binary, append([]string{name, "--postgres", s.dsn(), "--sink", sink,
		"--slot", s.name + "k", "--topic-prefix", s.name + "."}, args...)...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// TestStatusOfASinkThatIsAway: what the sink would say is unknown then, and must not look like none.
func TestStatusOfASinkThatIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	text, code := s.verb("file:"+path, "status")
	if code != 3 || !strings.Contains(text, "are unknown") || !strings.Contains(text, "PROBLEM") ||
		!strings.Contains(text, `database "`+s.name+`"`) {
		t.Errorf("exit %d: %s", code, text)
	}
	for _, wrong := range []string{"nothing has been published", "none", "no events"} {
		if strings.Contains(text, wrong) {
			t.Errorf("it says %q: %s", wrong, text)
		}
	}
}

// ok is verb for one that must succeed.
func (s *site) ok(sink, name string, args ...string) string {
	s.t.Helper()
	out, code := s.verb(sink, name, args...)
	if code != 0 {
		s.t.Fatalf("%s %v: exit %d: %s", name, args, code, out)
	}
	return out
}

const contract = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"

// live writes the life of one token: blocked, bought, trimmed and taken back, an emergency exit, unblocked by hand.
func (s *site) live() {
	s.exec(`insert into lowcap_positions (id, token_chain, token_contract, token_ticker, timeframe, features) values
		('38264861-a810-426a-8dd7-54c4cb434c53', 'solana', $1, $2, '1h', '{"pm_execution_history":{"prev_state":"S1"}}')`, contract, "WIF\x1b[2J")
	s.exec(`insert into lowcap_positions (token_chain, token_contract, token_ticker, timeframe) values ('base', '0xother', 'OTHER', '4h')`)
}

func (s *site) liveOn() {
	s.exec(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, blocked_s2, last_s1_failure_ts)
		values ($1, 'solana', '1h', true, true, now())`, contract)
	for _, history := range []string{
		`{"prev_state":"S1","last_s1_buy":{"timestamp":"2026-01-01T00:00:01Z","price":0.5,"size_frac":0.5,"signal":"buy","state":"S1"}}`,
		`{"prev_state":"S1"}`,
		`{"prev_state":"S3","last_trim":{"timestamp":"2026-01-01T00:00:09Z","price":0.4,"size_frac":1,"signal":"emergency_exit"},
			"trim_pool":{"usd_basis":150.5,"recovery_started":false,"dx_count":0}}`,
	} {
		s.exec(
			`update lowcap_positions set features = jsonb_build_object('pm_execution_history', $2::text::jsonb) where token_contract = $1`,
			contract,
			history,
		)
	}
	s.exec(`begin; select pg_logical_emit_message(true, 'lowcap-cdc', '{"actor":"anna","reason":"manual unblock"}');
		update token_timeframe_blocks set blocked_s1 = false; commit`)
	s.exec(`update lowcap_positions set status = 'active' where token_ticker = 'OTHER'`)
}

// printedNames returns the event names of JSON lines.
func printedNames(t *testing.T, out string) []string {
	t.Helper()
	var list []string
	for _, text := range strings.Split(strings.TrimSpace(out), "\n") {
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		list = append(list, strings.TrimSuffix(strings.TrimPrefix(e.Type, "lowcap."), ".v1"))
	}
	return list
}

// TestReadingVerbs publishes the life of a token to Kafka and to a file, and asks each reading verb about it. No
// instance runs meanwhile.
func TestReadingVerbs(t *testing.T) {
	for _, kind := range []string{"kafka", "file"} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			s.live()
			sink, committed := s.kafka()
			if kind == "file" {
				sink, committed = s.file("x")
			}
			s.drain("k", sink)
			s.liveOn()
			s.drain("k", sink)
			s.checkTail(sink, committed())
			s.checkAudit(sink)
			s.checkStatus(sink)
			if out := s.ok(sink, "audit", "verify"); !strings.Contains(out, fmt.Sprintf("events    %d", len(committed()))) ||
				!strings.Contains(out, "every event once") {
				t.Error(out)
			}
			s.checkReplay(sink, committed())
		})
	}
}

func (s *site) checkTail(sink string, committed []string) {
	s.t.Helper()
	if got := s.ok(sink, "tail", "--json"); got != strings.Join(committed, "\n")+"\n" {
		s.t.Errorf("tail --json gives other bytes or another order:\n%s\nwant\n%s", got, strings.Join(committed, "\n"))
	}
	exits := s.ok(sink, "tail", "--type", "emergency_exit.*")
	if strings.Count(exits, "\n") != 1 || !strings.Contains(exits, "proceeds_usd=150.5") || !strings.Contains(exits, `WIF\x1b[2J`) {
		s.t.Errorf("exits: %q", exits)
	}
	if out := s.ok(sink, "tail", "--token", "other", "--json"); strings.Contains(out, contract) || !strings.Contains(out, "0xother") {
		s.t.Errorf("other token: %s", out)
	}
	var last struct {
		Data struct {
			Origin struct {
				CommitLSN string `json:"commit_lsn"`
			}
		}
	}
	if err := json.Unmarshal([]byte(committed[len(committed)-1]), &last); err != nil {
		s.t.Fatal(err)
	}
	if out := s.ok(sink, "tail", "--since", last.Data.Origin.CommitLSN, "--json"); strings.Join(
		printedNames(s.t, out),
		" ",
	) != "position.status_changed" {
		s.t.Errorf("since the last LSN: %s", out)
	}
	if got := s.ok(sink, "tail", "-n", "2", "--json"); got != strings.Join(committed[len(committed)-2:], "\n")+"\n" {
		s.t.Errorf("the last two: %s", got)
	}
	if got := s.ok(sink, "tail", "-n", "1000", "--since", "1d", "--json"); got != strings.Join(committed, "\n")+"\n" {
		s.t.Errorf("the last thousand: %s", got)
	}
	if out, code := s.verb(sink, "tail", "--type", "nosuch.*"); code != 2 || !strings.Contains(out, "no event type matches") {
		s.t.Errorf("exit %d: %s", code, out)
	}
	if out, code := s.verb(sink, "tail", "--since", "yesterday"); code != 2 || !strings.Contains(out, "0/16B3748") {
		s.t.Errorf("exit %d: %s", code, out)
	}
}

func (s *site) checkAudit(sink string) {
	s.t.Helper()
	table := s.ok(sink, "audit", contract)
	at := 0
	for _, part := range []string{"position.baseline", "entry_block.set", "stages=s1,s2 trigger=s1_failure", "execution.buy_recorded", "execution.reverted",
		"alive_for=", "emergency_exit.executed", "trim_pool.opened", "entry_block.cleared", "anna manual unblock", "trigger=manual blocked_for.s1="} {
		found := strings.Index(table[at:], part)
		if found < 0 {
			s.t.Fatalf("no %q after byte %d of\n%s", part, at, table)
		}
		at += found
	}
	if strings.Contains(table, "0xother") || strings.Contains(table, "\x1b") {
		s.t.Errorf("another token, or an escape sequence: %q", table)
	}
	byTicker, byID := s.ok(sink, "audit", "token", "wif\x1b[2j"), s.ok(sink, "audit", "38264861-a810-426a-8dd7-54c4cb434c53")
	if byTicker != table || byID != table {
		s.t.Errorf("by ticker:\n%s\nby id:\n%s\nby contract:\n%s", byTicker, byID, table)
	}
	var lines []readable.Line
	if err := json.Unmarshal([]byte(s.ok(sink, "audit", contract, "--format", "json")), &lines); err != nil ||
		len(lines) != strings.Count(table, "\n")-1 {
		s.t.Errorf("%v: %d lines", err, len(lines))
	}
	records, err := csv.NewReader(strings.NewReader(s.ok(sink, "audit", contract, "--format", "csv"))).ReadAll()
	if err != nil || len(records) != len(lines)+1 {
		s.t.Errorf("%v: %d records", err, len(records))
	}
	if out := s.ok(sink, "audit", contract, "--from", lines[1].LSN, "--to", lines[2].LSN); strings.Count(out, "\n") != 2 {
		s.t.Errorf("one event: %s", out)
	}
	if out, code := s.verb(sink, "audit", contract, "--from", "2030-01-01"); code != 1 ||
		!strings.Contains(out, "none of them between --from and --to") {
		s.t.Errorf("exit %d: %s", code, out)
	}
	if out, code := s.verb(sink, "audit", "NOSUCH"); code != 1 || !strings.Contains(out, "no committed event") {
		s.t.Errorf("exit %d: %s", code, out)
	}
}

func (s *site) checkStatus(sink string) {
	s.t.Helper()
	text := s.ok(sink, "status")
	for _, part := range []string{"Postgres 1", `database "` + s.name + `"`, "nobody reads from it", "3 rows known", "entry_block.set 1", "s2 since ",
		"150.5 USD", "proceeds_usd=150.5", "last gap    none"} {
		if !strings.Contains(text, part) {
			s.t.Errorf("no %q in\n%s", part, text)
		}
	}
	var st struct {
		Slot struct {
			Confirmed string `json:"confirmed_lsn"`
		}
		Blocks, Pools []json.RawMessage
	}
	if err := json.Unmarshal([]byte(s.ok(sink, "status", "--json")), &st); err != nil || len(st.Blocks) != 1 || len(st.Pools) != 1 ||
		st.Slot.Confirmed == "" {
		s.t.Errorf("%v: %+v", err, st)
	}
}

func (s *site) checkReplay(sink string, committed []string) {
	s.t.Helper()
	dir := filepath.Join(s.t.TempDir(), "copy")
	if out := s.ok(sink, "replay", "--into", "file:"+dir); !strings.HasPrefix(out, fmt.Sprintf("%d events copied", len(committed))) {
		s.t.Error(out)
	}
	if out := s.ok(sink, "replay", "--into", "file:"+dir); !strings.Contains(
		out,
		fmt.Sprintf("0 events copied to file:%s, %d were there", dir, len(committed)),
	) {
		s.t.Error(out)
	}
	content, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	if err != nil || string(content) != strings.Join(committed, "\n")+"\n" {
		s.t.Errorf("%v: the copy differs:\n%s", err, content)
	}
	if out, code := s.verb(sink, "replay", "--into", sink); code != 2 || !strings.Contains(out, "--into-prefix") {
		s.t.Errorf("exit %d: %s", code, out)
	}
}

// TestTailFollows prints what is committed while it runs, soon.
func TestTailFollows(t *testing.T) {
	s := newSite(t)
	s.live()
	sink, _ := s.kafka()
	s.drain("k", sink)
	tail := exec.CommandContext(t.Context(), shared.binary, "tail", "--sink", sink, "--topic-prefix", s.name+".", "--follow")
	out := newWatched("status_changed")
	tail.Stdout, tail.Stderr = out, out
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, out, "position.baseline")
	s.exec(`update lowcap_positions set status = 'active' where token_ticker = 'OTHER'`)
	s.drain("k", sink)
	waitFor(t, out, "position.status_changed")
	if err := tail.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := tail.Wait(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestVerifyFindsTampering puts a second copy of an event and an altered one into a topic, and lets the broker remove
// the oldest records: the first two are told, the third is told apart from them.
func TestVerifyFindsTampering(t *testing.T) {
	s := newSite(t)
	s.live()
	sink, committed := s.kafka()
	s.drain("k", sink)
	s.liveOn()
	s.drain("k", sink)
	events := committed()
	admin, produce := s.kafkaClient()
	exits := s.name + ".emergency-exits"
	ends, err := admin.ListEndOffsets(t.Context(), exits)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DeleteRecords(t.Context(), ends.Offsets()); err != nil {
		t.Fatal(err)
	}
	if out := s.ok(sink, "audit", "verify"); !strings.Contains(out, "was removed by the broker") ||
		!strings.Contains(out, "removed, or before") {
		t.Errorf("retention: %s", out)
	}
	for _, e := range events {
		if strings.Contains(e, "status_changed") {
			produce(s.name+".positions", e)
			produce(s.name+".positions", strings.Replace(e, `"after":`, `"afterwards":`, 1))
		}
	}
	out, code := s.verb(sink, "audit", "verify")
	if code != 1 || strings.Count(out, "is there twice") != 2 || !strings.Contains(out, "does not fit its schema") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// kafkaClient returns an independent client, and a producer that has nothing to do with the sink.
func (s *site) kafkaClient() (*kadm.Client, func(topic, event string)) {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(shared.started.Addr()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	return kadm.NewClient(client), func(topic, event string) {
		s.t.Helper()
		var e struct{ PartitionKey string }
		if err := json.Unmarshal([]byte(event), &e); err != nil {
			s.t.Fatal(err)
		}
		record := &kgo.Record{Topic: topic, Key: []byte(e.PartitionKey), Value: []byte(event)}
		if err := client.ProduceSync(s.t.Context(), record).FirstErr(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestTeardown refuses a slot at work and a wrong answer, and then drops what there is.
func TestTeardown(t *testing.T) {
	s := newSite(t)
	sink, _ := s.file("x")
	instance := s.serve(sink)
	instance.await("/readyz", 200, "streaming")
	if out, code := s.verb(sink, "teardown", "--yes"); code != 3 || !strings.Contains(out, "stop the instance first") {
		t.Errorf("exit %d: %s", code, out)
	}
	instance.cmd.Process.Kill() //nolint:errcheck // it runs
	instance.cmd.Wait()         //nolint:errcheck // it was killed
	s.waitForFreeSlot("k")
	other, _ := s.file("empty")
	if out, code := s.verb(other, "teardown", "--yes"); code != 3 {
		t.Errorf("with a sink that knows nothing of the slot: exit %d: %s", code, out)
	}
	if out, code := s.verb(sink, "teardown"); code != 2 || !strings.Contains(out, "nothing was dropped") {
		t.Errorf("exit %d: %s", code, out)
	}
	cmd := exec.CommandContext(
		t.Context(),
		shared.binary,
		"teardown",
		"--postgres",
		shared.postgres.DSN(s.name),
		"--sink",
		sink,
		"--slot",
		s.name+"k",
	)
	cmd.Stdin = bytes.NewBufferString(s.name + "k\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Error(err)
	}
	for _, part := range []string{"dropped slot " + s.name + "k", "dropped publication lowcap_cdc", "stays   the two tables"} {
		if !strings.Contains(string(out), part) {
			t.Errorf("no %q in %s", part, out)
		}
	}
	var left int
	if err := s.conn.QueryRow(t.Context(), `select (select count(*) from pg_replication_slots where slot_name = $1) + (select count(*) from pg_publication)`,
		s.name+"k").Scan(&left); err != nil ||
		left != 0 {
		t.Errorf("%v: %d left", err, left)
	}
}
