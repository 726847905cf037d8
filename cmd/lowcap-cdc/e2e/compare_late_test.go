package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/decode"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

// lateReader shows what was committed a while after it was acknowledged. So does a broker: it writes the markers of a transaction
// after it has answered its end.
type lateReader struct {
	sink.Reader
	before sink.Reader // what it shows at first
	times  int         // how often its state is read until it shows the rest
}

func (r *lateReader) ReadState(ctx context.Context, load func(key string, value []byte) error) error {
	if r.times--; r.times >= 0 {
		return r.before.ReadState(ctx, load)
	}
	return r.Reader.ReadState(ctx, load)
}

func (r *lateReader) ReadEvents(ctx context.Context, of sink.Range, visit func(*sink.Stored) error) error {
	if r.times >= 0 {
		return r.before.ReadEvents(ctx, of, visit)
	}
	return r.Reader.ReadEvents(ctx, of, visit)
}

// reading returns a reader of a directory.
func (s *site) reading(dir string) sink.Reader {
	s.t.Helper()
	reader, err := file.New(dir, file.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { reader.Close() }) //nolint:errcheck // it was only read
	return reader
}

func (s *site) source() pg.Config {
	return pg.Config{DSN: s.dsn(), Schema: "public", Slot: s.name + "k", Publication: "lowcap_cdc"}
}

// TestCompareWaitsForTheCheckpoint: a slot is confirmed as soon as a commit was acknowledged, and a reader may see it later. What it
// does not see yet is no difference. A sink that never shows it was rolled back.
func TestCompareWaitsForTheCheckpoint(t *testing.T) {
	s := newSite(t)
	s.live()
	s.exec(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts) values ('C', 'solana', '1h', true, now())`)
	to, _ := s.file("x")
	s.drain("k", to)
	dir := strings.TrimPrefix(to, "file:")
	before := filepath.Join(t.TempDir(), "before")
	if err := os.CopyFS(before, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s.exec("delete from token_timeframe_blocks")
	s.drain("k", to)
	c := &audit.Comparer{Source: s.source(),
		Patience: time.Minute, Reader: &lateReader{s.reading(dir), s.reading(before), 3}}
	compared, err := c.Compare(t.Context())
	if err != nil || compared.Count > 0 {
		t.Errorf("%v, %+v", err, compared)
	}
	c.Reader, c.Patience = s.reading(before), time.Second
	if compared, err := c.Compare(t.Context()); err == nil || !strings.Contains(err.Error(), "an older copy, or was rolled back") {
		t.Errorf("a sink that was rolled back: %v, %+v", err, compared)
	}
}

// otherTables is a reader of a sink that has followed another table of the same name.
type otherTables struct{ sink.Reader }

func (r otherTables) ReadState(ctx context.Context, load func(key string, value []byte) error) error {
	return r.Reader.ReadState(ctx, func(key string, value []byte) error {
		if key != cdc.CheckpointKey {
			return load(key, value)
		}
		state := cdc.NewState()
		if err := state.Load(key, value); err != nil {
			return err
		}
		state.Checkpoint.Tables[decode.Blocks].ID.OID++
		changed, err := json.Marshal(state.Checkpoint)
		return errors.Join(err, load(key, changed))
	})
}

// TestCompareOfAnotherTable: a table that is dropped or made anew is told some seconds later, which is no difference. One that is never
// told is: consumers go by rows that nobody follows any more.
func TestCompareOfAnotherTable(t *testing.T) {
	s := newSite(t)
	s.live()
	to, _ := s.file("x")
	s.drain("k", to)
	cmd := s.command("k", to)
	log := newWatched("streaming")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-log.seen
	defer func() { cmd.Process.Kill(); cmd.Wait() }() //nolint:errcheck // it is killed
	for _, ddl := range []string{`drop table token_timeframe_blocks`, createBlocks} {
		s.exec(ddl)
		if out := s.ok(to, "audit", "compare"); !strings.Contains(out, ": 0 differences") {
			t.Error(out)
		}
	}
	c := &audit.Comparer{Source: s.source(), Patience: 30 * time.Second, Reader: otherTables{s.reading(strings.TrimPrefix(to, "file:"))}}
	compared, err := c.Compare(t.Context())
	var out strings.Builder
	if err == nil {
		err = compared.Print(&out, false)
	}
	if err != nil || !strings.Contains(out.String(), "token_timeframe_blocks: the table was made anew, and no event says so\n") || compared.Count != 1 {
		t.Errorf("%v: %s", err, out.String())
	}
}

// TestCompareIsStopped: who stops a comparison is told that it has not come to its end, at once and in one line.
func TestCompareIsStopped(t *testing.T) {
	s := newSite(t)
	s.live()
	to, _ := s.file("x")
	s.drain("k", to)
	s.exec("update lowcap_positions set status = 'paused'") // so that it waits
	cmd := exec.CommandContext(t.Context(), shared.binary, "audit", "compare", "--sink", to, "--postgres", s.dsn(), "--slot", s.name+"k")
	out := newWatched("never")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for n := 0; n == 0; {
		if err := s.conn.QueryRow(t.Context(), `select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // its code is looked at
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasSuffix(out.String(), "told to stop before the end\n") ||
		strings.Count(out.String(), "\n") > 1 || time.Since(begun) > 30*time.Second {
		t.Errorf("exit %d after %s: %q", code, time.Since(begun), out)
	}
}
