package walkthrough

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/lab"
)

// guide is a history that goes the way of a section of docs/upgrade.md, line by line.
type guide struct {
	t        *testing.T
	programs string // directory of lowcap-cdc
	server   *lab.Postgres
	settings []string
	replaced *strings.Replacer
	between  map[string]func() // what others do where the document has a comment
	says     []string          // events that the section makes; all other stream.* events must be missing
}

// newGuide begins a history in a file sink.
func newGuide(t *testing.T, major string, settings ...string) *guide {
	t.Helper()
	server, err := lab.StartPostgresOf(t.Context(), major, append([]string{"fsync=off"}, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // the guide may have stopped it
	conn, err := server.CreateSource(t.Context(), "trading")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // nothing was left undone on it
	if err := lab.SeedPositions(t.Context(), conn, 20); err != nil {
		t.Fatal(err)
	}
	g := &guide{t: t, programs: build(t), server: server, replaced: strings.NewReplacer(), says: []string{"stream.adopted", "stream.reconciled"}}
	g.settings = []string{"LOWCAP_CDC_POSTGRES=" + server.DSN("trading"), "LOWCAP_CDC_SINK=file:" + filepath.Join(t.TempDir(), "sink")}
	g.line("lowcap-cdc run --until now")
	return g
}

// other starts a server to move to.
func (g *guide) other(major string, settings ...string) *lab.Postgres {
	g.t.Helper()
	server, err := lab.StartPostgresOf(g.t.Context(), major, append([]string{"fsync=off"}, settings...)...)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	return server
}

// line runs a line of the document: what the sidecar does as this user, everything else as the server's owner.
func (g *guide) line(line string) string {
	g.t.Helper()
	if strings.HasPrefix(line, "# ") {
		if g.between[line] == nil {
			g.t.Fatalf("what happens at %q?", line)
		}
		g.between[line]()
		return ""
	}
	line = g.replaced.Replace(line)
	if found := exported.FindStringSubmatch(line); found != nil {
		g.settings = append(g.settings, found[1])
		return ""
	}
	out, err := g.run(line)
	if err != nil {
		g.t.Fatalf("$ %s\n%s(%v)", line, out, err)
	}
	return out
}

func (g *guide) run(line string) (string, error) {
	cmd := g.server.Shell(g.t.Context(), line)
	if strings.HasPrefix(line, "lowcap-cdc ") {
		cmd = exec.CommandContext(g.t.Context(), "bash", "-c", line)
		cmd.Env = append(append(os.Environ(), "PATH="+g.programs+":"+os.Getenv("PATH")), g.settings...)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// compared fails unless the events tell what the tables hold. An idle server writes into its WAL too, and a comparison waits for a run
// that has read it.
func (g *guide) compared() {
	g.t.Helper()
	out, err := "the sink is behind", error(nil)
	for range 3 {
		if strings.Contains(out, "the sink is behind") {
			g.line("lowcap-cdc run --until now")
			out, err = g.run("lowcap-cdc audit compare")
		}
	}
	if err != nil {
		g.t.Errorf("audit compare: %v: %s", err, out)
	}
}

// follow pastes the lines of a section, and fails unless one history is there afterwards, which tells what it should of the stream.
func (g *guide) follow(section string, names ...string) {
	g.t.Helper()
	g.replaced = strings.NewReplacer(names...)
	text := regexp.MustCompile(`(?s)\n## ` + section + `\n(.*?)(\n## |$)`).FindString(read(g.t, "../../docs/upgrade.md"))
	lines := 0
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		for _, line := range strings.Split(block[1], "\n") {
			if line = strings.TrimSpace(line); line != "" {
				lines++
				g.line(line)
			}
		}
	}
	if lines < 3 {
		g.t.Fatalf("section %q of docs/upgrade.md has %d lines of commands", section, lines)
	}
	g.line("lowcap-cdc run --until now")
	g.line("lowcap-cdc audit verify")
	g.compared()
	told := g.line("lowcap-cdc tail --since 1h --type 'stream.*'")
	for _, event := range []string{"stream.adopted", "stream.gap", "stream.reconciled"} {
		if strings.Contains(told, event) != slices.Contains(g.says, event) {
			g.t.Errorf("section %q, %s: %s", section, event, told)
		}
	}
}

// TestUpgradeGuide goes every way of docs/upgrade.md that can be gone here, as it stands there.
func TestUpgradeGuide(t *testing.T) {
	t.Run("pg_upgrade", func(t *testing.T) {
		g := newGuide(t, "17")
		to, err := g.server.PrepareUpgrade(t.Context(), "18")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { to.Close() }) //nolint:errcheck // the test is over
		g.follow("pg_upgrade", "$OPTIONS", to.Options(), "$OLDBIN", filepath.Dir(g.server.Program("psql")), "$NEWBIN", filepath.Dir(to.Program("psql")),
			"$OLD", g.server.Data(), "$NEW", to.Data())
	})
	t.Run("dump and restore", func(t *testing.T) {
		g := newGuide(t, "18")
		to := g.other("18")
		g.follow("Dump and restore", "$FROM", g.server.DSN("trading"), "$TO_ADMIN", to.DSN("postgres"), "$TO", to.DSN("trading"))
	})
	t.Run("a renamed database", func(t *testing.T) {
		g := newGuide(t, "18")
		g.follow("A renamed database", "$ADMIN", g.server.DSN("postgres"), "$RENAMED", g.server.DSN("trading2"))
	})
	t.Run("a logical copy", func(t *testing.T) {
		g := newGuide(t, "18")
		to := g.other("18")
		g.subscribe(to)
		g.follow("Switching over to a logical copy", "$TO", to.DSN("trading"))
	})
	t.Run("a managed upgrade", func(t *testing.T) {
		g := newGuide(t, "15")
		g.between = map[string]func(){"# the provider upgrades the server, and drops the slot": func() {
			to, err := g.server.Upgrade(t.Context(), "18")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { to.Close() }) //nolint:errcheck // the test is over
			g.settings = append(g.settings, "LOWCAP_CDC_POSTGRES="+to.DSN("trading"))
		}}
		g.follow("Managed upgrades")
	})
	t.Run("promotion", func(t *testing.T) {
		g := newGuide(t, "18", "wal_sender_timeout=5s")
		g.says = nil // the stream just goes on
		standby := g.standby()
		g.between = map[string]func(){"# the standby is promoted": func() {
			end := strings.TrimSpace(g.line("psql -X -A -t --dbname " + g.server.DSN("trading") + " -c 'select pg_current_wal_lsn()'"))
			g.ask(standby, "select pg_last_wal_replay_lsn() >= '"+end+"'") // or it would lack what was published
			if err := errors.Join(g.server.Stop(t.Context(), "immediate"), standby.Promote(t.Context())); err != nil {
				t.Fatal(err)
			}
		}}
		both := fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/trading?sslmode=disable&target_session_attrs=read-write",
			g.server.Port, standby.Port)
		g.follow("Promotion", "$BOTH", both)
	})
	t.Run("restored to an earlier point", func(t *testing.T) {
		g := newGuide(t, "18")
		g.says = append(g.says, "stream.gap")
		g.follow("Restored to an earlier point", "$RESTORED", g.restored().DSN("trading"))
	})
	t.Run("another Kafka cluster", func(t *testing.T) {
		g := newGuide(t, "18")
		g.says = nil
		from, to := g.brokers()
		g.line("export LOWCAP_CDC_SINK=" + from)
		psql := "psql --dbname " + g.server.DSN("trading") + " -c "
		g.line(psql + `"select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where active"`)
		g.line(psql + `"select pg_drop_replication_slot('lowcap_cdc')"`) // the files' history stays behind
		g.line("lowcap-cdc run --until now")
		g.follow("Another Kafka cluster", "$TO", to)
	})
}

// brokers starts two clusters.
func (g *guide) brokers() (from, to string) {
	g.t.Helper()
	var addrs [2]string
	for i, start := range []func(context.Context) (*lab.Kafka, error){
		func(ctx context.Context) (*lab.Kafka, error) { return lab.StartKafka(ctx) }, lab.StartAnotherKafka} {
		k, err := start(g.t.Context())
		if err != nil {
			g.t.Fatal(err)
		}
		g.t.Cleanup(func() { k.Close() }) //nolint:errcheck // the test is over
		addrs[i] = "kafka://" + k.Addr()
	}
	return addrs[0], addrs[1]
}

// standby makes a standby of the server that keeps its slots.
func (g *guide) standby() *lab.Postgres {
	g.t.Helper()
	g.line("psql --dbname " + g.server.DSN("trading") + " -c \"select pg_create_physical_replication_slot('standby', true)\"")
	standby, err := g.server.Standby(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { standby.Close() }) //nolint:errcheck // the test is over
	// It takes the slot as soon as that needs no older WAL than the standby has.
	for psql := "psql -X -A -t --dbname "; strings.TrimSpace(g.line(psql+standby.DSN("trading")+
		" -c 'select count(*) from pg_replication_slots where synced and not temporary'")) != "1"; {
		g.line(psql + g.server.DSN("trading") + " -c 'select pg_log_standby_snapshot()'")
		g.line("lowcap-cdc run --until now")
	}
	return standby
}

// ask waits until a query on a server answers true.
func (g *guide) ask(server *lab.Postgres, query string) {
	g.t.Helper()
	conn, err := pgx.Connect(g.t.Context(), server.DSN("trading"))
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close(g.t.Context()) //nolint:errcheck // it was only asked
	for is := false; !is; {
		if err := conn.QueryRow(g.t.Context(), query).Scan(&is); err != nil {
			g.t.Fatal(err)
		}
	}
}

// restored publishes a change and returns the server as it was before that.
func (g *guide) restored() *lab.Postgres {
	g.t.Helper()
	backup, err := g.server.Backup(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	psql := "psql -X -A -t --dbname " + g.server.DSN("trading")
	point := strings.TrimSpace(g.line(psql + " -c 'select pg_current_wal_insert_lsn()'"))
	g.line(psql + ` -c "update lowcap_positions set status = 'dormant'"`)
	g.line("lowcap-cdc run --until now")
	g.line(psql + " -c 'select pg_switch_wal()'")
	restored, err := backup.RestoreTo(g.t.Context(), point)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { restored.Close() }) //nolint:errcheck // the test is over
	g.ask(restored, "select not pg_is_in_recovery()")
	return restored
}

// subscribe makes a logical copy of the database, and waits until it has every row.
func (g *guide) subscribe(to *lab.Postgres) {
	g.t.Helper()
	conn, err := to.CreateSource(g.t.Context(), "trading")
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close(g.t.Context()) //nolint:errcheck // nothing was left undone on it
	from, err := pgx.ParseConfig(g.server.DSN("trading"))
	if err != nil {
		g.t.Fatal(err)
	}
	g.line("psql --dbname " + from.ConnString() + " -c 'create publication copied for all tables'")
	if _, err := conn.Exec(g.t.Context(), "create subscription trading connection '"+from.ConnString()+"' publication copied"); err != nil {
		g.t.Fatal(err)
	}
	for rows := 0; rows < 20; {
		if err := conn.QueryRow(g.t.Context(), "select count(*) from lowcap_positions").Scan(&rows); err != nil {
			g.t.Fatal(err)
		}
	}
}
