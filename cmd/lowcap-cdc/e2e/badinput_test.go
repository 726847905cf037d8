package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lowcap-cdc/deploy/lab"
)

// lastLine runs the binary and returns its exit code and its last line.
func lastLine(t *testing.T, args ...string) (code int, line string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shared.binary, args...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("%v succeeded: %s", args, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return cmd.ProcessState.ExitCode(), lines[len(lines)-1]
}

// TestBadInput gives the sidecar what it cannot work with: each is one clear line, the right exit code, and no password.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dsn := shared.postgres.DSN(s.name)
	s.exec(`create role ` + s.name + ` login password 'sesame'`)
	weak := strings.Replace(dsn, "postgres@", s.name+":sesame@", 1)
	const file = "file:DIR"
	s.exec(`create schema half; create table half.token_timeframe_blocks (like public.token_timeframe_blocks including all);
		create table half.lowcap_positions (id uuid primary key)`)
	s.exec(`select pg_create_logical_replication_slot('` + s.name + `foreign', 'pgoutput')`)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no database":         {[]string{"run", "--sink", file}, 2, "set --postgres"},
		"unknown flag":        {[]string{"run", "--slto", "x"}, 2, "unknown flag"},
		"unknown sink":        {[]string{"run", "--postgres", dsn, "--sink", "redis://x"}, 2, "kafka://HOST:PORT"},
		"broken DSN":          {[]string{"run", "--postgres", "postgres://u:sesame@h:port/x", "--sink", file}, 2, "its port is not valid"},
		"unknown database":    {[]string{"run", "--postgres", shared.postgres.DSN("nowhere"), "--sink", file}, 3, `"nowhere" does not exist`},
		"refused":             {[]string{"run", "--postgres", "postgres://u@127.0.0.1:1/x", "--sink", file}, 1, "is the server running there?"},
		"no replication":      {[]string{"run", "--postgres", weak, "--sink", file}, 3, "replication"},
		"missing table":       {[]string{"run", "--postgres", dsn, "--sink", file, "--schema", "nosuch"}, 3, "exists; run the source's migration"},
		"missing column":      {[]string{"run", "--postgres", dsn, "--sink", file, "--schema", "half", "--publication", "half"}, 3, `column "token_chain" is missing`},
		"somebody's slot":     {[]string{"run", "--postgres", dsn, "--sink", file, "--slot", s.name + "foreign"}, 3, "choose another --slot"},
		"unreachable broker":  {[]string{"run", "--postgres", dsn, "--sink", "kafka://127.0.0.1:1", "--until", "now"}, 1, "no answer from Kafka"},
		"unknown query key":   {[]string{"run", "--postgres", dsn, "--sink", file + "?rotat=1MB"}, 2, `"rotat" is not known`},
		"password in the URL": {[]string{"run", "--postgres", dsn, "--sink", "kafka://u:sesame@h:1"}, 2, "--kafka-password-file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "unreachable broker" && testing.Short() {
				t.Skip("takes as long as one transaction's retries")
			}
			for i := range c.args { // one directory has one writer
				c.args[i] = strings.Replace(c.args[i], file, "file:"+t.TempDir(), 1)
			}
			code, line := lastLine(t, c.args...)
			if code != c.code || !strings.Contains(line, c.want) {
				t.Errorf("exit %d, want %d with %q: %s", code, c.code, c.want, line)
			}
			if strings.Contains(line, "sesame") {
				t.Errorf("the password is shown: %s", line)
			}
		})
	}
}

func TestWrongPasswordAndWALLevel(t *testing.T) {
	t.Parallel()
	strict, err := lab.StartPostgres(t.Context(), "fsync=off", "wal_level=replica")
	if err != nil {
		t.Fatal(err)
	}
	defer strict.Close() //nolint:errcheck // the test is over
	conn, err := strict.CreateSource(t.Context(), "trading")
	if err != nil {
		t.Fatal(err)
	}
	code, line := lastLine(t, "run", "--postgres", strict.DSN("trading"), "--sink", "file:"+t.TempDir())
	if code != 3 || !strings.Contains(line, "alter system set wal_level = logical") {
		t.Errorf("exit %d: %s", code, line)
	}
	if _, err := conn.Exec(t.Context(), `create role guest login password 'right'`); err != nil {
		t.Fatal(err)
	}
	strict.RequirePasswords(t)
	wrong := strings.Replace(strict.DSN("trading"), "postgres@", "guest:sesame@", 1)
	code, line = lastLine(t, "run", "--postgres", wrong, "--sink", "file:"+t.TempDir())
	if code != 3 || !strings.Contains(line, "wrong password") || strings.Contains(line, "sesame") {
		t.Errorf("exit %d: %s", code, line)
	}
}

func TestConfigurationFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte("postgres: postgres://x\nslott: y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, line := lastLine(t, "run", "--config", path)
	if code != 2 || !strings.Contains(line, `line 2: unknown key "slott"; did you mean "slot"?`) {
		t.Errorf("exit %d: %s", code, line)
	}
}

// TestCheck runs check on a database where nothing is set up, and after a first run.
func TestCheck(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	sink, _ := s.file("x")
	args := []string{"check", "--postgres", shared.postgres.DSN(s.name), "--sink", sink, "--slot", s.name}
	if code, line := lastLine(t, args...); code != 3 || !strings.Contains(line, "failed") {
		t.Errorf("exit %d: %s", code, line)
	}
	s.seedPositions(3)
	s.exec(`update lowcap_positions set features = '{"pm_execution_history": {"trim_pool": {"usd_basis": 1}}}' where timeframe = 'p1'`)
	s.exec(blockA)
	s.drain("", sink)
	s.checkSays(args, "1 rows, 1 blocked now", "3 rows, 1 with a trim_pool")
	s.checkSays(append(args, "--json"), `"ready": true`, `"severity": "ok"`)
	s.exec(`drop table token_timeframe_blocks`)
	s.checkSays(args, "does not exist; run publishes table.missing")
}

func (s *site) checkSays(args []string, want ...string) {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), shared.binary, args...).CombinedOutput()
	for _, text := range want {
		if err != nil || !strings.Contains(string(out), text) {
			s.t.Errorf("%v, want %q: %s", err, text, out)
		}
	}
}

// TestCheckOfANewRole follows check from a role that has no right: every line names one repair, and what init --dry-run
// prints is all that an administrator has to run.
func TestCheckOfANewRole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	role := s.name + "_new"
	s.exec(`create role ` + role + ` login`)
	sink, _ := s.file("x")
	dsn := strings.Replace(shared.postgres.DSN(s.name), "postgres@", role+"@", 1)
	args := []string{"--postgres", dsn, "--sink", sink, "--slot", s.name}
	out, err := exec.CommandContext(t.Context(), shared.binary, append(args, "check")...).CombinedOutput()
	if err == nil {
		t.Errorf("it passes: %s", out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if n := strings.Count(line, "run: "); strings.HasPrefix(line, "FAIL") && n != 1 {
			t.Errorf("%d repairs: %s", n, line)
		}
	}
	grants, err := exec.CommandContext(t.Context(), shared.binary, append(args, "init", "--dry-run")...).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, grants)
	}
	s.exec(string(grants))
	s.checkSays(append(args, "check"), "0 rows, 0 blocked now")
}

// TestStandbyTakesOver starts a second instance beside the first: it waits for the slot, and continues when the first one
// is killed. Then Postgres crashes, the walsender is terminated and the broker restarts; nothing is lost or doubled.
func TestStandbyTakesOver(t *testing.T) {
	s := newSite(t)
	s.seedPositions(20)
	kafka, committed := s.kafka()
	file, written := s.file("reference")
	s.drain("k", kafka)
	s.drain("f", file)
	first, _ := s.background(kafka, "streaming")
	s.exec(`update lowcap_positions set status = 'active'`)
	second, standby := s.background(kafka, "standby")
	first.Process.Kill() //nolint:errcheck // it runs
	first.Wait()         //nolint:errcheck // it was killed
	waitFor(t, standby, "took over")
	s.exec(`update lowcap_positions set status = 'paused'`)
	s.cutOff("k")
	waitFor(t, standby, "starting again")
	if err := shared.started.Stop(); err != nil {
		t.Fatal(err)
	}
	s.exec(`update lowcap_positions set status = 'archived'`)
	if err := shared.started.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	second.Wait()                                         //nolint:errcheck // its exit code is not the point: it may be between two attempts
	if took := time.Since(begun); took > 30*time.Second { // twelve, and what a busy machine adds
		t.Errorf("SIGTERM took %v", took)
	}
	s.drain("k", kafka)
	s.drain("f", file)
	sameEvents(t, streamed(t, committed()), streamed(t, written()))
}

func (s *site) background(kafka, until string) (*exec.Cmd, *watched) {
	s.t.Helper()
	log := newWatched(until)
	cmd := s.command("k", kafka)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	waitFor(s.t, log, until)
	return cmd, log
}

// waitFor waits until a log holds a word.
func waitFor(t *testing.T, log *watched, word string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !strings.Contains(log.String(), word) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %q in the log: %s", word, log)
		}
	}
}
