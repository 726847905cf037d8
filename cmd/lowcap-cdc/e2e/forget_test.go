package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"

	"lowcap-cdc/deploy/lab"
)

// ownServer is a site on a server of the test's own, which may be broken.
func ownServer(t *testing.T, settings ...string) (*site, *lab.Postgres) {
	t.Helper()
	server, err := lab.StartPostgres(t.Context(), append([]string{"fsync=off"}, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test may have stopped it
	conn, err := server.CreateSource(t.Context(), "trading")
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, name: "forget", conn: conn}, server
}

// runOn runs the sidecar on a server until it has handled what is committed, and returns exit code and output.
func (s *site) runOn(server *lab.Postgres, sink string, args ...string) (code int, out string) {
	s.t.Helper()
	cmd := s.command("k", sink, append(args, "--until", "now")...)
	cmd.Args[slices.Index(cmd.Args, "--postgres")+1] = server.DSN("trading")
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() < 0 {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

func (s *site) mustRunOn(server *lab.Postgres, sink string, args ...string) {
	s.t.Helper()
	if code, out := s.runOn(server, sink, args...); code != 0 {
		s.t.Fatalf("exit %d: %s", code, out)
	}
}

// TestInvalidatedSlot writes more WAL than max_slot_wal_keep_size keeps: the server gives the slot up. run makes a new
// one and says what was never seen; told not to, it stops.
func TestInvalidatedSlot(t *testing.T) {
	t.Parallel()
	s, server := ownServer(t, "max_slot_wal_keep_size=1MB", "max_wal_size=32MB", "min_wal_size=32MB")
	s.seedPositions(2)
	sink, events := s.file("x")
	s.mustRunOn(server, sink)
	before := len(events())
	s.exec(`update lowcap_positions set status = 'active' where timeframe = 'p1'`)
	s.exec(`create table filler (t text)`)
	for lost := ""; lost != "lost"; {
		s.exec(`insert into filler select repeat(md5(i::text), 100) from generate_series(1, 10000) i; checkpoint`)
		if err := s.conn.QueryRow(t.Context(), `select wal_status from pg_replication_slots where slot_name = $1`, s.name+"k").Scan(&lost); err != nil {
			t.Fatal(err)
		}
	}
	if code, out := s.runOn(server, sink, "--no-reconcile"); code != 3 || !strings.Contains(out, "was removed; run: lowcap-cdc reconcile") {
		t.Errorf("exit %d: %s", code, out)
	}
	s.mustRunOn(server, sink)
	got := namesOf(decodeSaid(t, events()[before:]))
	if want := []string{"stream.gap", "position.status_changed", "stream.reconciled"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestRestoredToAnEarlierPoint puts the files of an earlier moment back: what was published is not in the database any
// more, and that is for a person to decide on.
func TestRestoredToAnEarlierPoint(t *testing.T) {
	t.Parallel()
	s, server := ownServer(t)
	s.seedPositions(2)
	sink, events := s.file("x")
	s.mustRunOn(server, sink)
	restore := s.saveFiles(server)
	s.exec(`update lowcap_positions set status = 'active'; create table filler as select repeat('x', 1000) from generate_series(1, 5000)`)
	s.mustRunOn(server, sink)
	before := len(events())
	restore()
	code, out := s.runOn(server, sink)
	if code != 3 || !strings.Contains(out, "it was restored to an earlier point; to go on from what it has now, run: lowcap-cdc reconcile") {
		t.Errorf("exit %d: %s", code, out)
	}
	if len(events()) != before {
		t.Error("events were published")
	}
}

// saveFiles copies the server's data aside, and returns what puts it back.
func (s *site) saveFiles(server *lab.Postgres) (restore func()) {
	s.t.Helper()
	saved := filepath.Join(s.t.TempDir(), "data")
	swap := func(from, to string) {
		s.t.Helper()
		s.conn.Close(context.Background()) //nolint:errcheck // the server stops anyway
		if err := server.Stop(s.t.Context(), "fast"); err != nil {
			s.t.Fatal(err)
		}
		if out, err := exec.CommandContext(s.t.Context(), "sh", "-c", `rm -rf "$2" && cp -a "$1" "$2"`, "sh", from, to).CombinedOutput(); err != nil {
			s.t.Fatalf("%v: %s", err, out)
		}
		if err := server.Start(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		var err error
		if s.conn, err = pgx.Connect(s.t.Context(), server.DSN("trading")); err != nil {
			s.t.Fatal(err)
		}
	}
	swap(server.Data(), saved)
	return func() { swap(saved, server.Data()) }
}

// TestAnotherSystem points the sidecar at another server under the same name.
func TestAnotherSystem(t *testing.T) {
	t.Parallel()
	s, server := ownServer(t)
	sink, _ := s.file("x")
	s.mustRunOn(server, sink)
	_, other := ownServer(t)
	code, out := s.runOn(other, sink)
	if code != 3 || !strings.Contains(out, "the sink's state is of system") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestPromotedWithoutWhatWasPublished promotes a standby that has not received what the sidecar published: going on
// would publish another history under the same checkpoint.
func TestPromotedWithoutWhatWasPublished(t *testing.T) {
	t.Parallel()
	p := newPair(t, "17")
	s := &site{t: t, name: "failover", conn: p.conn}
	sink, _ := s.file("x")
	s.seedPositions(2)
	s.mustRunOn(p.primary, sink)
	if err := p.standby.Stop(t.Context(), "fast"); err != nil { // from here on it receives nothing
		t.Fatal(err)
	}
	s.exec(`update lowcap_positions set status = 'active'`)
	s.mustRunOn(p.primary, sink)
	if err := p.primary.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(context.Context) error{p.standby.Start, p.standby.Promote} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	code, out := s.runOn(p.standby, sink)
	if code != 3 || !strings.Contains(out, "run: lowcap-cdc reconcile") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestDeletedTopics takes topics away from a sidecar at work. An event topic is made again, since the next event needs
// it; without the state nothing may continue.
func TestDeletedTopics(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(1)
	sink, _ := s.kafka()
	s.drain("k", sink)
	_, log := s.background(sink, "streaming")
	s.deleteTopic("positions")
	s.exec(`update lowcap_positions set status = 'active'`)
	waitFor(t, log, `"topic":"`+s.name+`.positions"`)
	waitFor(t, log, `"topics":["`+s.name+`.positions"],"published":1,`)
	waitFor(t, log, "these topics were deleted")
	s.waitForRecords(shared.started, "positions", 1)
	s.deleteTopic("cdc-state")
	s.exec(`update lowcap_positions set status = 'paused'`)
	waitFor(t, log, "the sink holds no state for it")
}

func (s *site) deleteTopic(name string) {
	s.t.Helper()
	administer(s.t, shared.started, func(a *kadm.Client) error {
		_, err := a.DeleteTopic(s.t.Context(), s.name+"."+name)
		return err
	})
}

// TestKafkaAwayForAWhile stops the broker under a sidecar that has been idle since its restart, while the source writes: the
// sidecar neither ends nor grows nor spins, and afterwards everything is there once.
func TestKafkaAwayForAWhile(t *testing.T) {
	k, err := lab.StartKafka(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // the test is over
	s := newSite(t)
	s.seedPositions(100)
	s.drain("k", "kafka://"+k.Addr())
	cmd := s.command("k", "kafka://"+k.Addr(), "--http", "127.0.0.1:0")
	log := newWatched("streaming")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it may have ended
	waitFor(t, log, "streaming")
	if err := k.Stop(); err != nil {
		t.Fatal(err)
	}
	begun, used := time.Now(), cpuOf(t, cmd.Process.Pid)
	for i := range 200 {
		s.exec(`update lowcap_positions set status = 's' || $1::text`, fmt.Sprint(i))
	}
	s.exec(`select pg_sleep(8)`)
	if share := float64(cpuOf(t, cmd.Process.Pid)-used) / float64(time.Since(begun)); share > 0.3 {
		t.Errorf("the sidecar used %.0f %% of a core while the broker was away", 100*share)
	}
	if peak := peakNow(t, cmd.Process.Pid); peak > 64<<20 {
		t.Errorf("peak RSS is %d MB", peak>>20)
	}
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.waitForRecords(k, "positions", 100+200*100)
}
