package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/deploy/lab"
)

const (
	longRows = 20000     // a busy machine reads and writes them in a part of ten seconds
	slowLine = 100 << 10 // bytes a second, for which they are several times as much as for ten seconds
)

// TestSnapshotThatDoesNotFit: the broker allows transactions of ten seconds, and the rows come in slowly. It is said while
// the snapshot runs, it ends in one line and exit 3, and nothing of it is visible; so does a reconcile. Where the rows come
// in time, everything works on such a broker.
func TestSnapshotThatDoesNotFit(t *testing.T) {
	t.Parallel()
	k, err := lab.StartKafka(t.Context(), "transaction.max.timeout.ms=10000")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // the test is over
	s := newSite(t)
	s.exec(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts)
		select repeat('C', 100) || lpad(i::text, 8, '0'), 'solana', '1h', true, now() from generate_series(1, $1::int) i`, longRows)
	sink := "kafka://" + k.Addr()
	s.prepareTopicsOn(sink)
	rows := fmt.Sprintf("snapshot                     %d rows", longRows)
	for line, want := range map[string]string{s.dsn(): "ok    " + rows, slowed(t, s.dsn(), slowLine): "FAIL  " + rows} {
		out, _ := exec.CommandContext(t.Context(), shared.binary, "check", "--postgres", line, "--sink", sink, "--slot", s.name+"k",
			"--topic-prefix", s.name+".").CombinedOutput() // its exit code says no more than the line
		if !strings.Contains(string(out), want) || !strings.Contains(string(out), "the brokers allow 10s") {
			t.Errorf("no %q: %s", want, out)
		}
	}
	s.refusesToFit("run", sink)
	if n := s.committedOn(k); n != 0 {
		t.Errorf("%d events of a snapshot that did not fit are visible", n)
	}
	var slots int
	if err := s.conn.QueryRow(t.Context(), `select count(*) from pg_replication_slots where slot_name = $1`, s.name+"k").Scan(&slots); err != nil || slots != 0 {
		t.Errorf("%v: %d slots are left of a snapshot that did not fit: they hold WAL back", err, slots)
	}
	s.drain("k", sink)
	if n := s.committedOn(k); n < longRows {
		t.Fatalf("%d events of %d rows", n, longRows)
	}
	before := s.committedOn(k)
	s.exec(`update token_timeframe_blocks set blocked_s1 = false`)
	s.refusesToFit("reconcile", sink, "--yes")
	if n := s.committedOn(k); n != before {
		t.Errorf("%d events, %d before the reconcile that did not fit", n, before)
	}
	s.drain("k", sink) // which begins the reconcile again
	if n := s.committedOn(k); n < before+longRows {
		t.Errorf("%d events after %d and a reconcile with %d differences", n, before, longRows)
	}
}

// prepareTopicsOn makes the topics and the publication.
func (s *site) prepareTopicsOn(sink string) {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), shared.binary, "init", "--postgres", s.dsn(), "--sink", sink, "--topic-prefix", s.name+".").CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
}

// refusesToFit runs a verb behind a slow line to the database.
func (s *site) refusesToFit(verb, sink string, args ...string) {
	s.t.Helper()
	slow := slowed(s.t, s.dsn(), slowLine)
	all := append([]string{verb, "--postgres", slow, "--sink", sink, "--slot", s.name + "k", "--topic-prefix", s.name + "."}, args...)
	begun := time.Now()
	out, err := exec.CommandContext(s.t.Context(), shared.binary, all...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != settings.ExitRepair {
		s.t.Fatalf("%s: %v, want exit %d: %s", verb, err, settings.ExitRepair, out)
	}
	if took := time.Since(begun); took > time.Minute {
		s.t.Errorf("%s took %v to say so", verb, took)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, want := range []string{"does not fit into one Kafka transaction", fmt.Sprintf("of %d rows", longRows), "nothing of it is visible", "set transaction.max.timeout.ms="} {
		if last := lines[len(lines)-1]; !strings.Contains(last, want) {
			s.t.Errorf("%s: its last line has no %q: %s", verb, want, last)
		}
	}
	if n := strings.Count(string(out), "at this rate the snapshot will not fit"); n != 1 {
		s.t.Errorf("%s was warned of %d times: %s", verb, n, out)
	}
}

// committedOn returns how many events a committed reader sees.
func (s *site) committedOn(k *lab.Kafka) int {
	s.t.Helper()
	records, err := lab.ReadCommitted(s.t.Context(), k.Addr(), s.eventTopics()...)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(records)
}

// slowed returns a connection string for the same server behind a line that brings a number of bytes a second.
func slowed(t *testing.T, dsn string, perSecond int) string {
	t.Helper()
	host := dsn[strings.Index(dsn, "@")+1 : strings.LastIndex(dsn, "/")]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // the test is over
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", host)
			if err != nil {
				client.Close() //nolint:errcheck // the client sees it
				continue
			}
			go func() { io.Copy(server, client); server.Close() }() //nolint:errcheck // one of the two has ended
			go trickle(client, server, perSecond)
		}
	}()
	return strings.Replace(dsn, host, l.Addr().String(), 1)
}

// trickle copies so many bytes a second.
func trickle(to, from net.Conn, perSecond int) {
	const perTick = 20
	defer to.Close() //nolint:errcheck // one of the two has ended
	tick := time.NewTicker(time.Second / perTick)
	defer tick.Stop()
	buffer := make([]byte, perSecond/perTick)
	for range tick.C {
		n, err := from.Read(buffer)
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}
