package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
	"lowcap-cdc/deploy/lab"
)

var upgrades = flag.Bool("upgrades", false, "adopt after every kind of upgrade, move and restore, on both sinks; without it only the cheap ones")

// history is one set of events, whatever servers it comes from.
type history struct {
	*site
	server *lab.Postgres
	db     string
	sink   string
	events func() []string
}

// newHistory begins a history on a server of the test's own, with rows that were published and one change behind them.
func newHistory(t *testing.T, major string, kafka bool, settings ...string) *history {
	t.Helper()
	server, err := lab.StartPostgresOf(t.Context(), major, append([]string{"fsync=off"}, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test may have stopped it
	conn, err := server.CreateSource(t.Context(), "trading")
	if err != nil {
		t.Fatal(err)
	}
	h := &history{site: &site{t: t, name: fmt.Sprintf("adopt%03d", sites.Add(1)), conn: conn}, server: server, db: "trading"}
	if h.sink, h.events = h.file("x"); kafka {
		h.sink, h.events = h.kafka()
	}
	h.seedPositions(120)
	h.exec(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts)
		values ('T1', 'solana', '1h', true, now()), ('T2', 'solana', '1h', false, null)`)
	h.mustRun("run", "--until", "now")
	h.exec(`update lowcap_positions set status = 'active' where timeframe in ('p1', 'p2')`)
	h.mustRun("run", "--until", "now")
	return h
}

func (h *history) command(environment string, args ...string) *exec.Cmd {
	all := append(args, "--postgres", h.server.DSN(h.db), "--sink", h.sink, "--slot", h.name+"k", "--topic-prefix", h.name+".")
	cmd := exec.CommandContext(h.t.Context(), shared.binary, all...)
	cmd.Env = append(os.Environ(), environment)
	return cmd
}

// try runs a verb against the server of now.
func (h *history) try(args ...string) (code int, out string) {
	h.t.Helper()
	cmd := h.command("", args...)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() < 0 {
		h.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

func (h *history) mustRun(args ...string) string {
	h.t.Helper()
	code, out := h.try(args...)
	if code != 0 {
		h.t.Fatalf("%v: exit %d: %s", args, code, out)
	}
	h.waitForFreeSlot("k")
	return out
}

// move makes another server that of the history.
func (h *history) move(server *lab.Postgres, err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	if server != h.server {
		h.t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test may have stopped it
	}
	h.conn.Close(context.Background()) //nolint:errcheck // its server may be gone
	h.server = server
	if h.conn, err = pgx.Connect(h.t.Context(), server.DSN(h.db)); err != nil {
		h.t.Fatal(err)
	}
}

// points are the steps of an adoption at which a process is killed.
var points = []string{"before-adopt", "after-claim", "after-slot", "during-snapshot", "before-proof", "before-produce:1", "before-end-txn:1",
	"before-produce:2", "before-end-txn:2", "after-end-txn:2", "after-end-txn:1", "before-confirm:1"}

// adoptKilled adopts the server of now, and is killed at every step on the way.
func (h *history) adoptKilled(args ...string) {
	h.t.Helper()
	for _, point := range points {
		cmd := h.command("LOWCAP_CDC_FAILPOINT="+point, append([]string{"reconcile", "--adopt", "--yes"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState.ExitCode() >= 0 {
			h.t.Fatalf("%s: exit %d: %s", point, cmd.ProcessState.ExitCode(), out)
		}
		h.waitForFreeSlot("k")
	}
	h.mustRun(append([]string{"reconcile", "--adopt", "--yes"}, args...)...)
}

// verified fails unless the events are one history, by audit verify from number 1 and by what each event says, and, by audit
// compare, tell what the tables hold.
func (h *history) verified() {
	h.t.Helper()
	if code, out := h.try("audit", "verify"); code != 0 || !strings.Contains(out, "numbers 1 to") {
		h.t.Errorf("audit verify: exit %d: %s", code, out)
	}
	code, out := 1, "the sink is behind"
	for range 3 { // an idle server writes into its WAL too, and compare waits for a run that has read it
		if strings.Contains(out, "the sink is behind") {
			h.mustRun("run", "--until", "now")
			code, out = h.try("audit", "compare")
		}
	}
	if code != 0 {
		h.t.Errorf("audit compare: exit %d: %s", code, out)
	}
	seen, last, base := make(map[string]bool), "", uint64(0)
	for _, text := range h.events() {
		var e struct {
			ID, Type, Sequence string
			Data               struct {
				Base   uint64 `json:"sequence_base"`
				Origin struct {
					LSN string `json:"commit_lsn"`
				}
			}
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			h.t.Fatal(err)
		}
		if strings.Contains(e.Type, "stream.adopted") {
			base = e.Data.Base
		}
		lsn, err := decode.ParseLSN(e.Data.Origin.LSN)
		if err != nil || e.Sequence <= last || seen[e.ID] || e.Sequence[:16] != fmt.Sprintf("%016X", uint64(lsn)+base) {
			h.t.Errorf("event %s with sequence %s at %s and base %d, after %s: comes twice, does not rise or is elsewhere", e.ID, e.Sequence,
				e.Data.Origin.LSN, base, last)
		}
		seen[e.ID], last = true, e.Sequence
	}
}

// expect fails unless these are the events since a number of them.
func (h *history) expect(since int, want ...string) {
	h.t.Helper()
	if got := namesOf(decodeSaid(h.t, h.events()[since:])); !slices.Equal(got, want) {
		h.t.Errorf("events %q, want %q", got, want)
	}
	h.verified()
}

// refused fails unless check, status and run end with exit code 3 and name what to do.
func (h *history) refused(what string) {
	h.t.Helper()
	for _, args := range [][]string{{"check"}, {"status"}, {"run", "--until", "now"}, {"reconcile", "--yes"}} {
		if code, out := h.try(args...); code != 3 || !strings.Contains(out, "reconcile --adopt") || !strings.Contains(out, what) {
			h.t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
}

// move is a way in which the server of a history becomes another.
type move struct {
	from, to string // versions
	cheap    bool   // enough so for every run of the tests
	settings []string
	make     func(h *history, to string)
	refused  string // what check, status and run say
	want     []string
}

const changed = `update lowcap_positions set status = 'paused' where timeframe = 'p1'`

func moves() map[string]move {
	upgrade := func(h *history, to string) { h.move(h.server.Upgrade(h.t.Context(), to)) }
	dump := func(h *history, to string) {
		other, err := lab.StartPostgresOf(h.t.Context(), to, "fsync=off")
		if err == nil {
			err = h.server.Restore(h.t.Context(), h.db, other)
		}
		h.move(other, err)
	}
	handOver := func(h *history) {
		if out := h.mustRun("handover"); !strings.Contains(out, "reconcile --adopt") {
			h.t.Error(out)
		}
	}
	return map[string]move{
		"pg_upgrade without the slot": {from: "15", to: "18", make: upgrade, refused: "system",
			want: []string{"stream.adopted", "stream.gap", "stream.reconciled"}},
		"pg_upgrade with the slot": {from: "17", to: "18", cheap: true, make: upgrade, refused: "system",
			want: []string{"stream.adopted", "stream.reconciled"}},
		"pg_upgrade with the slot, and writes before it is adopted": {from: "17", to: "18", make: func(h *history, to string) {
			upgrade(h, to)
			h.exec(`update lowcap_positions set status = 'paused' where timeframe = 'p2'`)
			h.exec(`update lowcap_positions set status = 'active' where timeframe = 'p2'`)
		}, refused: "system", want: []string{"stream.adopted", "position.status_changed", "position.status_changed", "stream.reconciled"}},
		"pg_upgrade after a handover": {from: "15", to: "18", make: func(h *history, to string) { handOver(h); upgrade(h, to) }, refused: "system",
			want: []string{"stream.adopted", "stream.reconciled"}},
		"dump and restore": {from: "18", to: "18", cheap: true, make: func(h *history, to string) {
			h.exec(`update lowcap_positions set status = 'dormant' where timeframe = 'p3'; delete from lowcap_positions where timeframe = 'p4'`)
			dump(h, to)
		}, refused: "system", want: []string{"stream.adopted", "stream.gap", "position.deleted", "position.status_changed", "stream.reconciled"}},
		"dump and restore after a handover": {from: "16", to: "17", make: func(h *history, to string) { handOver(h); dump(h, to) }, refused: "system",
			want: []string{"stream.adopted", "stream.reconciled"}},
		"a rename": {from: "18", to: "18", cheap: true, make: func(h *history, _ string) {
			h.rename("trading2")
			h.exec(`update lowcap_positions set status = 'paused' where timeframe = 'p2'`)
		}, refused: "database", want: []string{"stream.adopted", "position.status_changed", "stream.reconciled"}},
		"an older state": {from: "18", make: func(h *history, _ string) {
			backup, err := h.server.Backup(h.t.Context())
			if err != nil {
				h.t.Fatal(err)
			}
			h.move(h.server, nil)
			var lsn string
			if err := h.conn.QueryRow(h.t.Context(), `select pg_current_wal_insert_lsn()::text`).Scan(&lsn); err != nil {
				h.t.Fatal(err)
			}
			h.exec(`update lowcap_positions set status = 'dormant' where timeframe = 'p3'`)
			h.mustRun("run", "--until", "now")
			h.exec(`select pg_switch_wal()`)
			h.move(backup.RestoreTo(h.t.Context(), lsn))
			h.settled()
		}, refused: "from what it has now", want: []string{"position.status_changed", "stream.adopted", "stream.gap", "position.status_changed", "stream.reconciled"}},
		"a promotion": {from: "16", settings: []string{"wal_sender_timeout=5s"}, make: func(h *history, _ string) {
			h.exec(`select pg_create_physical_replication_slot('standby', true)`)
			standby, err := h.server.Standby(h.t.Context())
			if err != nil {
				h.t.Fatal(err)
			}
			p := &pair{t: h.t, primary: h.server, standby: standby}
			p.connect(h.server)
			p.promote()
			h.move(standby, nil)
		}, want: []string{"stream.adopted", "stream.gap", "stream.reconciled"}},
	}
}

// settled waits until a restored server has left its recovery.
func (h *history) settled() {
	h.t.Helper()
	for recovers := true; recovers; {
		if err := h.conn.QueryRow(h.t.Context(), `select pg_is_in_recovery()`).Scan(&recovers); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *history) rename(to string) {
	h.t.Helper()
	ctx := h.t.Context()
	h.conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
	conn, err := pgx.Connect(ctx, h.server.DSN("postgres"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
	if _, err := conn.Exec(ctx, "alter database "+h.db+" rename to "+to); err != nil {
		h.t.Fatal(err)
	}
	if code, out := h.try("run", "--until", "now"); code != 3 || !strings.Contains(out, "reconcile --adopt") || !strings.Contains(out, to) {
		h.t.Errorf("under the old name: exit %d: %s", code, out)
	}
	h.db = to
	h.move(h.server, nil)
}

// TestAdopt: the history goes on from another server, name or state, in the same topics with the next number, with a gap only
// where something may be missing, however often the adoption is killed.
func TestAdopt(t *testing.T) {
	for name, m := range moves() {
		if !m.cheap && !*upgrades {
			continue
		}
		for _, kafka := range []bool{false, true} {
			if kafka && !*upgrades {
				continue
			}
			t.Run(fmt.Sprintf("%s/kafka=%v", name, kafka), func(t *testing.T) {
				h := newHistory(t, m.from, kafka, m.settings...)
				before := len(h.events())
				m.make(h, m.to)
				if m.refused != "" {
					h.refused(m.refused)
				}
				h.adoptKilled()
				h.expect(before, m.want...)
				if out := h.mustRun("reconcile", "--adopt", "--yes"); !strings.Contains(out, "nothing is to be adopted") {
					t.Error(out)
				}
				h.exec(changed)
				h.mustRun("run", "--until", "now")
				h.expect(before, append(slices.Clone(m.want), "position.status_changed")...)
				if code, out := h.try("check"); code != 0 {
					t.Errorf("check: exit %d: %s", code, out)
				}
			})
		}
	}
}
