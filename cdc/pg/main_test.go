package pg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
	"lowcap-cdc/deploy/lab"
)

// server is the Postgres of this package's tests, started by the first one that asks for it.
var server = sync.OnceValues(func() (*lab.Postgres, error) { // it takes seconds to start
	return lab.StartPostgres(context.Background(), "fsync=off", "max_prepared_transactions=5")
})

// patience is how long a test waits for what must come: so long that a busy machine does not end it, only a fault.
const patience = 3 * time.Minute

var started atomic.Bool // tells TestMain what to stop

func TestMain(m *testing.M) {
	code := m.Run()
	if started.Load() {
		if p, err := server(); err == nil {
			p.Close() //nolint:errcheck // the tests are over
		}
	}
	os.Exit(code)
}

// place is a database of a test's own, with the two tables.
type place struct {
	t      *testing.T
	name   string
	server *lab.Postgres
	conn   *pgx.Conn
	config Config
}

var places atomic.Int64 // how many there were, for their names

// newPlace makes a database on the shared server. with follows CREATE DATABASE's name.
func newPlace(t *testing.T, with string) *place {
	t.Helper()
	started.Store(true)
	p, err := server()
	if err != nil {
		t.Fatal(err)
	}
	return newPlaceOn(t, p, with)
}

// startServer starts a server of the test's own, of a major version; empty is that of the other tests.
func startServer(t *testing.T, major string, settings ...string) (*lab.Postgres, error) {
	t.Helper()
	server, err := lab.StartPostgresOf(t.Context(), major, append(settings, "fsync=off")...)
	if err == nil {
		t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	}
	return server, err
}

// startServerAt starts a server that listens at one address only.
func startServerAt(t *testing.T, host string) (*lab.Postgres, error) {
	t.Helper()
	server, err := lab.StartPostgresAt(t.Context(), host, "", "fsync=off")
	if err == nil {
		t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	}
	return server, err
}

// startOf is the start of a pipeline whose sink holds nothing.
func startOf() cdc.Start {
	return cdc.Start{Held: func(context.Context) error { return nil }, Claim: func(context.Context, cdc.Started) error { return nil }, Extend: func(decode.LSN) {}}
}

func newPlaceOn(t *testing.T, server *lab.Postgres, with string) *place {
	t.Helper()
	name := fmt.Sprintf("p%d", places.Add(1))
	admin, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background()) //nolint:errcheck // it only made a database
	if _, err := admin.Exec(t.Context(), "create database "+name+" "+with); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t, name, server, conn, Config{DSN: server.DSN(name), Schema: "public", Slot: name + "_slot", Publication: "lowcap_cdc"}}
	sql, err := os.ReadFile("../../deploy/lab/source.sql")
	if err != nil {
		t.Fatal(err)
	}
	p.exec(string(sql))
	t.Cleanup(p.close)
	return p
}

// close gives the slots back: a server has few.
func (p *place) close() {
	ctx := context.Background()
	for left := 1; left > 0; {
		p.conn.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database() and not active`) //nolint:errcheck // asked next
		if p.conn.QueryRow(ctx, `select count(*) from pg_replication_slots where database = current_database()`).Scan(&left) != nil {
			break
		}
	}
	p.conn.Close(ctx) //nolint:errcheck // the test is over
}

func (p *place) exec(sql string) {
	p.t.Helper()
	if _, err := p.conn.Exec(p.t.Context(), sql); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

// ask returns the only value of a query, as text.
func (p *place) ask(sql string) (text string) {
	p.t.Helper()
	if err := p.conn.QueryRow(p.t.Context(), "select ("+sql+")::text").Scan(&text); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// as returns the place's configuration for another role.
func (p *place) as(role string) Config {
	c := p.config
	c.DSN = strings.Replace(c.DSN, "postgres@", role+"@", 1)
	return c
}

// memorySink keeps what the pipeline gives it.
type memorySink struct {
	mu     sync.Mutex
	state  map[string][]byte
	values []string
	types  []string
}

func newMemorySink() *memorySink { return &memorySink{state: make(map[string][]byte)} }

func (m *memorySink) Resume(_ context.Context, load func(string, []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, value := range m.state {
		if err := load(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (m *memorySink) Commit(_ context.Context, batch *cdc.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range batch.Events {
		m.values = append(m.values, string(e.Value))
		m.types = append(m.types, strings.TrimSuffix(strings.TrimPrefix(string(e.Type), "lowcap."), ".v1"))
	}
	for _, r := range batch.State {
		if r.Value == nil {
			delete(m.state, r.Key)
		} else {
			m.state[strings.Clone(r.Key)] = append([]byte(nil), r.Value...)
		}
	}
	return nil
}

func (*memorySink) Close() error { return nil }

// since returns the types of the events behind the first n.
func (m *memorySink) since(n int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.types[n:], " ")
}

// last returns the newest event.
func (m *memorySink) last() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[len(m.values)-1]
}

func (m *memorySink) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.types)
}

// run runs a pipeline up to now.
func (p *place) run(to *memorySink) error { return p.runAs(p.config, to, "") }

func (p *place) runAs(c Config, to *memorySink, reconcile string) error {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	until, err := Now(ctx, c)
	if err != nil {
		return err
	}
	p.released(c.Slot)
	from := New(c)
	err = (&cdc.Pipeline{Source: from, Sink: to, Slot: c.Slot, Until: until, Reconcile: reconcile}).Run(ctx)
	return errors.Join(err, from.Close(), ctx.Err())
}

// released waits until the server has let go of a slot: it learns a moment later that a connection was closed.
func (p *place) released(slot string) {
	p.t.Helper()
	p.until("the one before has let go of the slot", func() bool {
		var held bool
		err := p.conn.QueryRow(p.t.Context(), `select exists (select from pg_replication_slots where slot_name = $1 and active)`, slot).Scan(&held)
		return err != nil || !held // a connection that the test has broken says nothing
	})
}

// alter executes a statement about the place's slot, which nobody reads from any more.
func (p *place) alter(sql string) {
	p.t.Helper()
	p.released(p.config.Slot)
	p.exec(sql)
}

// runUntil runs a pipeline up to a place.
func (p *place) runUntil(c Config, to *memorySink, until decode.LSN) error {
	from := New(c)
	err := (&cdc.Pipeline{Source: from, Sink: to, Slot: c.Slot, Until: until}).Run(p.t.Context())
	return errors.Join(err, from.Close())
}

// mustRun runs a pipeline up to now and returns the types of its events.
func (p *place) mustRun(to *memorySink) string {
	p.t.Helper()
	before := to.count()
	if err := p.run(to); err != nil {
		p.t.Fatal(err)
	}
	return to.since(before)
}

// background runs a pipeline until the test is over, and returns its outcome then.
func (p *place) background(c Config, to *memorySink) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	from, ended := New(c), make(chan error, 1)
	go func() { ended <- (&cdc.Pipeline{Source: from, Sink: to, Slot: c.Slot}).Run(ctx) }()
	p.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) { // it may not have come to streaming
			p.t.Errorf("pipeline in the background: %v", err)
		}
		from.Close() //nolint:errcheck // the test is over
	})
}

// until waits until a condition holds.
func (p *place) until(what string, holds func() bool) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("waited in vain until %s", what)
		}
	}
}

const (
	rowA  = `insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts) values ('A', 'solana', '1h', true, now());`
	clear = `update token_timeframe_blocks set blocked_s1 = false where token_contract = 'A';`
	posA  = `insert into lowcap_positions (token_chain, token_contract, timeframe) values ('solana', 'A', '1h');`
)
