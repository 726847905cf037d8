package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/lab"
)

// patience is how long a test waits for what must come: so long that a busy machine does not end it, only a fault.
const patience = 3 * time.Minute

// world is what the process tests of this package share: the binary, with failpoints, and the real servers, each of
// which is started by the first test that asks for it.
type world struct {
	binary        string
	startPostgres func() (*lab.Postgres, error)
	postgres      *lab.Postgres // once newSite has been called
	kafka         func() (*lab.Kafka, error)
	started       *lab.Kafka // once kafka has been called
	secured       func() (*lab.Kafka, error)
	securedKafka  *lab.Kafka // once secured has been called
	registry      func() (*lab.Registry, error)
	schemas       *lab.Registry // once registry has been called
}

var shared world // servers take seconds to start; one set serves all tests

func TestMain(m *testing.M) {
	code, err := withWorld(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withWorld(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "lowcap-bin")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover costs only space
	shared.binary = filepath.Join(dir, "lowcap-cdc")
	if out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", shared.binary, "..").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build: %w: %s", err, out)
	}
	shared.startPostgres = sync.OnceValues(func() (p *lab.Postgres, err error) {
		shared.postgres, err = lab.StartPostgres(context.Background(), "fsync=off", "wal_sender_timeout=5s")
		return shared.postgres, err
	})
	shared.kafka = sync.OnceValues(func() (k *lab.Kafka, err error) {
		shared.started, err = lab.StartKafka(context.Background())
		return shared.started, err
	})
	shared.secured = sync.OnceValues(func() (k *lab.Kafka, err error) {
		shared.securedKafka, err = lab.StartSecuredKafka(context.Background())
		return shared.securedKafka, err
	})
	shared.registry = sync.OnceValues(func() (r *lab.Registry, err error) {
		shared.schemas, err = lab.StartRegistry(context.Background())
		return shared.schemas, err
	})
	defer shared.close()
	return m.Run(), nil
}

// close stops what was started.
func (w *world) close() {
	if w.postgres != nil {
		w.postgres.Close() //nolint:errcheck // the tests are over
	}
	if w.schemas != nil {
		w.schemas.Close() //nolint:errcheck // the tests are over
	}
	for _, k := range []*lab.Kafka{w.started, w.securedKafka} {
		if k != nil {
			k.Close() //nolint:errcheck // the tests are over
		}
	}
}

// site is one source database and the names that a test uses with it.
type site struct {
	t      *testing.T
	server *lab.Postgres
	name   string
	conn   *pgx.Conn
	trace  string // a file that runs with slot k write the steps of their protocol to; empty for none
}

var sites atomic.Int64 // how many there were, for their names

// newSite makes a database of the test's own.
func newSite(t *testing.T) *site {
	t.Helper()
	server, err := shared.startPostgres()
	if err != nil {
		t.Fatal(err)
	}
	return newSiteOn(t, server)
}

// newSiteOn makes a database of the test's own on a server.
func newSiteOn(t *testing.T, server *lab.Postgres) *site {
	t.Helper()
	name := fmt.Sprintf("t%dn%03d", time.Now().Unix(), sites.Add(1))
	conn, err := server.CreateSource(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, server: server, name: name, conn: conn}
	t.Cleanup(s.close)
	return s
}

// close gives the slots back: a server has few.
func (s *site) close() {
	ctx := context.Background()
	for {
		var left int
		s.conn.QueryRow(ctx, `with gone as (select pg_drop_replication_slot(slot_name) from pg_replication_slots
			where slot_name like $1 and not active) select count(*) from gone`, s.name+"%").Scan(&left) //nolint:errcheck // asked below
		err := s.conn.QueryRow(ctx, `select count(*) from pg_replication_slots where slot_name like $1`, s.name+"%").Scan(&left)
		if err != nil || left == 0 {
			break
		}
	}
	s.conn.Close(ctx) //nolint:errcheck // the test is over
}

// freeAddress returns an address of this machine at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// until waits until a condition holds.
func (s *site) until(what string, holds func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// waitForFreeSlot waits until the server has seen that a slot's reader is gone: it learns that a moment later.
func (s *site) waitForFreeSlot(slot string) {
	s.t.Helper()
	s.until("nobody reads slot "+slot, func() (free bool) {
		err := s.conn.QueryRow(s.t.Context(), `select not exists (select from pg_replication_slots where slot_name = $1 and active)`, s.name+slot).Scan(&free)
		if err != nil {
			s.t.Fatal(err)
		}
		return free
	})
}

// cutOff ends the connection that reads a slot, as soon as there is one.
func (s *site) cutOff(slot string) {
	s.t.Helper()
	s.until("somebody reads slot "+slot, func() bool {
		var ended int
		err := s.conn.QueryRow(s.t.Context(), `select count(pg_terminate_backend(active_pid)) from pg_replication_slots where slot_name = $1 and active`,
			s.name+slot).Scan(&ended)
		if err != nil {
			s.t.Fatal(err)
		}
		return ended > 0
	})
}

func (s *site) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.conn.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// dsn returns where the site's database is; a site without a server of its own is on the shared one.
func (s *site) dsn() string {
	switch {
	case s.server != nil:
		return s.server.DSN(s.name)
	case shared.postgres == nil: // the test puts another server in its place
		return ""
	}
	return shared.postgres.DSN(s.name)
}

// command returns a run of the binary; slot tells several runs on one database apart.
func (s *site) command(slot, sink string, args ...string) *exec.Cmd {
	all := append([]string{"run", "--postgres", s.dsn(), "--sink", sink, "--slot", s.name + slot,
		"--topic-prefix", s.name + "."}, args...)
	cmd := exec.CommandContext(s.t.Context(), shared.binary, all...)
	if s.trace != "" && slot == "k" {
		cmd.Env = append(os.Environ(), "LOWCAP_CDC_TRACE="+s.trace)
	}
	return cmd
}

// drain runs the binary until it has handled what is committed now, and the server has let go of its slot.
func (s *site) drain(slot, sink string, args ...string) {
	s.t.Helper()
	if out, err := s.command(slot, sink, append(args, "--until", "now")...).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	s.waitForFreeSlot(slot)
}

// file returns a file sink of the test's own, and the events in it.
func (s *site) file(name string) (sink string, events func() []string) {
	dir := filepath.Join(s.t.TempDir(), name)
	return "file:" + dir, func() []string {
		s.t.Helper()
		content, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
		if err != nil {
			s.t.Fatal(err)
		}
		content = content[:bytes.LastIndexByte(content, '\n')+1] // what follows is being written
		return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	}
}

var topics = []string{"entry-blocks", "trim-pools", "emergency-exits", "executions", "positions", "quarantine", "control"}

// kafka returns a Kafka sink on the real broker, and the committed events in it by sequence.
func (s *site) kafka() (sink string, events func() []string) {
	s.t.Helper()
	k, err := shared.kafka()
	if err != nil {
		s.t.Fatal(err)
	}
	return "kafka://" + k.Addr(), func() []string {
		s.t.Helper()
		records, err := lab.ReadCommitted(s.t.Context(), k.Addr(), s.eventTopics()...)
		if err != nil {
			s.t.Fatal(err)
		}
		return lab.Events(records)
	}
}

// eventTopics returns the full names of the site's event topics.
func (s *site) eventTopics() []string {
	var names []string
	for _, topic := range topics {
		names = append(names, s.name+"."+topic)
	}
	return names
}

// streamed keeps what two slots must say alike, and fails when the whole is not numbered and chained without a gap.
func streamed(t *testing.T, events []string) []string {
	t.Helper()
	var kept []string
	var links lab.Links
	for _, e := range events {
		if err := links.Follow([]byte(e)); err != nil {
			t.Fatal(err)
		}
		if comparable, ok := lab.Comparable([]byte(e)); ok {
			kept = append(kept, string(comparable))
		}
	}
	return kept
}

// sameEvents fails unless two runs said the same, byte for byte and in the same order.
func sameEvents(t *testing.T, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("event %d of %d/%d\n got %s\nwant %s", i, len(got), len(want), got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
}
