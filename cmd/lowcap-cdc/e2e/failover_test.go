package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/lab"
)

// pair is a primary and its standby.
type pair struct {
	t                *testing.T
	primary, standby *lab.Postgres
	conn             *pgx.Conn
}

func newPair(t *testing.T, major string) *pair {
	t.Helper()
	primary, err := lab.StartPostgresOf(t.Context(), major, "fsync=off", "wal_sender_timeout=5s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { primary.Close() }) //nolint:errcheck // it may have been stopped by the test
	conn, err := primary.CreateSource(t.Context(), "trading")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `select pg_create_physical_replication_slot('standby', true)`); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { standby.Close() }) //nolint:errcheck // the test is over
	p := &pair{t: t, primary: primary, standby: standby}
	p.connect(primary)
	return p
}

func (p *pair) connect(to *lab.Postgres) {
	p.t.Helper()
	var err error
	if p.conn, err = pgx.Connect(p.t.Context(), to.DSN("trading")); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) exec(sql string) {
	p.t.Helper()
	if _, err := p.conn.Exec(p.t.Context(), sql); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

// until waits until a query on a server answers true.
func (p *pair) until(on *lab.Postgres, sql string) {
	p.t.Helper()
	conn, err := pgx.Connect(p.t.Context(), on.DSN("trading"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // nothing was left undone on it
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		var done bool
		if err := conn.QueryRow(p.t.Context(), sql).Scan(&done); err != nil {
			p.t.Fatalf("%s: %v", sql, err)
		}
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("not true after %s: %s", patience, sql)
		}
	}
}

// promote ends the primary as a crash does, once the standby has all of its WAL.
func (p *pair) promote() {
	p.t.Helper()
	var end string
	if err := p.conn.QueryRow(p.t.Context(), `select pg_current_wal_lsn()::text`).Scan(&end); err != nil {
		p.t.Fatal(err)
	}
	p.until(p.standby, `select pg_last_wal_replay_lsn() >= '`+end+`'`)
	if err := p.primary.Stop(p.t.Context(), "immediate"); err != nil {
		p.t.Fatal(err)
	}
	if err := p.standby.Promote(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.connect(p.standby)
}

// both is the connection string that names both servers and takes the one that may be written to.
func (p *pair) both() string {
	return fmt.Sprintf(
		"postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/trading?sslmode=disable&target_session_attrs=read-write",
		p.primary.Port,
		p.standby.Port,
	)
}

// follow runs the sidecar through a promotion and returns the events that it published after the first baselines.
func (p *pair) follow(ready string) []string {
	p.t.Helper()
	s := &site{t: p.t, name: "failover"}
	sink, events := s.file("x")
	p.exec(`insert into lowcap_positions (token_chain, token_contract, timeframe) values ('s', 'A', '1h'), ('s', 'A', '4h')`)
	cmd := s.command("k", sink)
	cmd.Args[slices.Index(cmd.Args, "--postgres")+1] = p.both()
	log := newWatched("streaming")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	waitFor(p.t, log, "streaming")
	before := len(events())
	p.exec(`update lowcap_positions set status = 'active' where timeframe = '1h'`)
	waitForEvents(p.t, events, before, "position.status_changed")
	if ready != "" {
		p.until(p.standby, ready)
	}
	p.promote()
	p.exec(`update lowcap_positions set status = 'paused' where timeframe = '4h'`)
	before++
	waitForEvents(p.t, events, before, "position.status_changed")
	return namesOf(decodeSaid(p.t, events()[before:]))
}

// TestFailoverSlot: from Postgres 17 on the slot is on the standby too, and the stream continues after a promotion as if
// nothing had been: nothing lost, nothing twice.
func TestFailoverSlot(t *testing.T) {
	for _, major := range []string{"17", "18"} {
		t.Run(major, func(t *testing.T) {
			p := newPair(t, major)
			got := p.follow(`select count(*) > 0 from pg_replication_slots where slot_name = 'failoverk' and synced and not temporary`)
			if !slices.Equal(got, []string{"position.status_changed"}) {
				t.Errorf("events after the promotion %q", got)
			}
		})
	}
}

// TestPromotionWithoutTheSlot: before Postgres 17 the promoted server has no slot; that is seen and reconciled.
func TestPromotionWithoutTheSlot(t *testing.T) {
	p := newPair(t, "16")
	got := strings.Join(p.follow(""), " ")
	if !strings.HasPrefix(got, "stream.gap ") || !strings.Contains(got, "position.status_changed") {
		t.Errorf("events after the promotion %q", got)
	}
}
