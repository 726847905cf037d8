package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/golden"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/schemas"
	"lowcap-cdc/schemas/schematest"
	"lowcap-cdc/sink"
)

const (
	recordedEvents   = "../../../schemas/testdata/events.jsonl"
	recordedAdoption = "../../../schemas/testdata/adopted.jsonl"
)

// TestRecordedEvents makes the events that the documentation shows and the consumers' tests read, and compares them with
// the recording: every trace and the statements of recorded.sql in one database, through the binary. With -update it
// records anew. The server has a clock of its own, since what does not happen takes its time.
func TestRecordedEvents(t *testing.T) {
	s, setClock := newSiteWithClock(t)
	traces := tracesOfDifferentTokens(t)
	for i := range traces {
		if traces[i].Name == "blocks: success after S1-only failure" {
			continue // continues with the rows of the trace before
		}
		if err := traces[i].Prepare(t.Context(), s.conn); err != nil {
			t.Fatal(err)
		}
	}
	s.exec(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s2, last_s2_failure_ts)
		values ('BlockedBefore111111111111111111111111111111', 'solana', '4h', true, '2026-01-17T18:00:00Z')`)
	sink, events := s.file("recorded")
	s.drain("r", sink)
	for i := range traces {
		for j := range traces[i].Log {
			if err := traces[i].Log[j].Apply(t.Context(), s.conn); err != nil {
				t.Fatal(err)
			}
		}
	}
	clock := time.Duration(0)
	for _, transaction := range statements(t, "testdata/recorded.sql") {
		if transaction.later > 0 {
			clock += transaction.later
			if err := setClock(clock); err != nil {
				t.Fatal(err)
			}
		}
		s.exec(transaction.sql)
	}
	s.drain("r", sink)
	s.dropAndMigrateBlocks("r", sink, events)
	s.loseSlotAndReconcile("r", sink)
	compareRecording(t, recordedEvents, events(), renamed)
}

// TestRecordedAdoption records what an adoption says, of a database that was renamed. It stands apart: another source begins with it.
func TestRecordedAdoption(t *testing.T) {
	h := newHistory(t, "18", false)
	before := len(h.events())
	h.rename("trading_2026")
	h.mustRun("reconcile", "--adopt", "--yes")
	compareRecording(t, recordedAdoption, h.events()[before:], func(events []string) string {
		first := (&sink.Stored{Value: []byte(events[0])}).Attributes()
		text := strings.ReplaceAll(strings.Join(events, "\n"), h.name+"k", "lowcap_cdc")
		return linked(text, schemas.Chain{Number: first.Number - 1, Hash: first.Chain})
	})
}

// tracesOfDifferentTokens returns the traces, which are all of one position, with a position for each. The trace that
// continues where the one before ends keeps that one's.
func tracesOfDifferentTokens(t *testing.T) []lab.Trace {
	t.Helper()
	traces, err := lab.Traces()
	if err != nil {
		t.Fatal(err)
	}
	text, token := []byte(nil), 0
	for i := range traces {
		if traces[i].Name != "blocks: success after S1-only failure" {
			token++
		}
		if text, err = json.Marshal(traces[i]); err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("665a67945995"), fmt.Appendf(nil, "665a679459%02d", token))
		text = bytes.ReplaceAll(text, []byte("GHdC8uHYmW2hr"), fmt.Appendf(nil, "GHdC8uHYmW2%02d", token))
		traces[i] = lab.Trace{}
		if err := json.Unmarshal(text, &traces[i]); err != nil {
			t.Fatal(err)
		}
	}
	return traces
}

// newSiteWithClock makes a database on a server of its own, whose clock can be moved.
func newSiteWithClock(t *testing.T) (s *site, set func(time.Duration) error) {
	t.Helper()
	server, err := lab.StartPostgres(t.Context(), "fsync=off", "wal_sender_timeout=0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	if set, err = server.FakeClock(); err == nil {
		err = errors.Join(server.Stop(t.Context(), "fast"), server.Start(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return newSiteOn(t, server), set
}

// transaction is a paragraph of an SQL file.
type transaction struct {
	later time.Duration // how long after the one before it is made, by the server's clock
	sql   string
}

// statements returns the paragraphs of an SQL file, without those that are comment only. A comment "-- 130 s later" moves
// the clock.
func statements(t *testing.T, path string) []transaction {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	comments, later := regexp.MustCompile(`(?m)^--.*\n`), regexp.MustCompile(`(?m)^-- (\d+) s later$`)
	var found []transaction
	for _, paragraph := range strings.Split(string(text), "\n\n") {
		made := transaction{sql: strings.TrimSpace(comments.ReplaceAllString(paragraph, ""))}
		if said := later.FindStringSubmatch(paragraph); said != nil {
			seconds, _ := strconv.Atoi(said[1]) // digits
			made.later = time.Duration(seconds) * time.Second
		}
		if made.sql != "" {
			found = append(found, made)
		}
	}
	return found
}

func (s *site) dropAndMigrateBlocks(slot, sink string, events func() []string) {
	s.t.Helper()
	before := len(events())
	running := s.command(slot, sink)
	if err := running.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exec(`update lowcap_positions set status = 'watchlist' where token_ticker = 'EXIT'`)
	waitForEvents(s.t, events, before, "position.status_changed")
	s.exec(`drop table token_timeframe_blocks`)
	waitForEvents(s.t, events, before, "table.missing")
	s.exec(createBlocks)
	waitForEvents(s.t, events, before, "table.present")
	before = len(events())
	s.exec(`update lowcap_positions set status = 'active' where token_ticker = 'EXIT'`)
	waitForEvents(s.t, events, before, "position.status_changed") // so what came before is committed
	running.Process.Kill()                                        //nolint:errcheck // it runs
	running.Wait()                                                //nolint:errcheck // it was killed
	s.drain(slot, sink)                                           // the last event that was seen may not have been committed
}

func (s *site) loseSlotAndReconcile(slot, sink string) {
	s.t.Helper()
	s.exec(`select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where slot_name = $1 and active`, s.name+slot)
	s.exec(`select pg_drop_replication_slot($1)`, s.name+slot)
	s.exec(`update lowcap_positions set status = 'paused' where token_ticker = 'EXIT'`)
	reconcile := exec.CommandContext(s.t.Context(), shared.binary, "reconcile", "--postgres", s.dsn(), "--sink", sink, "--slot", s.name+slot)
	if out, err := reconcile.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
}

// compareRecording compares what does not depend on the clock or the WAL.
func compareRecording(t *testing.T, path string, events []string, as func([]string) string) {
	t.Helper()
	if *golden.Update {
		if err := os.WriteFile(path, []byte(as(events)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	recorded, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got, want strings.Builder
	for _, e := range events {
		schematest.Validate(t, []byte(e))
		got.WriteString(summary(t, e))
	}
	for _, e := range strings.Split(strings.TrimSpace(string(recorded)), "\n") {
		want.WriteString(summary(t, e))
	}
	if got.String() != want.String() {
		t.Errorf("the recording differs; review and run with -update\n got:\n%s\nwant:\n%s", got.String(), want.String())
	}
}

// renamed gives the test's database and slot the names that the documentation uses, and links the events anew.
func renamed(events []string) string {
	text := regexp.MustCompile(`/t\d+n\d+"`).ReplaceAllString(strings.Join(events, "\n"), `/trading"`)
	return linked(regexp.MustCompile(`t\d+n\d+r`).ReplaceAllString(text, "lowcap_cdc"), schemas.Chain{})
}

// linked links altered events anew, behind another one.
func linked(text string, chain schemas.Chain) string {
	chained := regexp.MustCompile(`"chain":"[0-9a-f]+"`)
	var all strings.Builder
	for _, e := range strings.Split(text, "\n") {
		number, link := chain.Next()
		e = chained.ReplaceAllString(e, `"chain":"`+link+`"`)
		chain.Add(number, []byte(e))
		all.WriteString(e + "\n")
	}
	return all.String()
}
