package walkthrough

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
}

// newGuide begins a history in a file sink.
func newGuide(t *testing.T, major string) *guide {
	t.Helper()
	server, err := lab.StartWholePostgres(t.Context(), major, "fsync=off")
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
	g := &guide{t: t, programs: build(t), server: server, replaced: strings.NewReplacer()}
	g.settings = []string{"LOWCAP_CDC_POSTGRES=" + server.DSN("trading"), "LOWCAP_CDC_SINK=file:" + filepath.Join(t.TempDir(), "sink")}
	g.line("lowcap-cdc run --until now")
	return g
}

// other starts a server to move to.
func (g *guide) other(major string, settings ...string) *lab.Postgres {
	g.t.Helper()
	server, err := lab.StartWholePostgres(g.t.Context(), major, append([]string{"fsync=off"}, settings...)...)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	return server
}

// line runs a line of the document: what the sidecar does as this user, everything else as the server's owner.
func (g *guide) line(line string) string {
	g.t.Helper()
	line = g.replaced.Replace(line)
	if found := exported.FindStringSubmatch(line); found != nil {
		g.settings = append(g.settings, found[1])
		return ""
	}
	cmd := g.server.Shell(g.t.Context(), line)
	if strings.HasPrefix(line, "lowcap-cdc ") {
		cmd = exec.CommandContext(g.t.Context(), "bash", "-c", line)
		cmd.Env = append(append(os.Environ(), "PATH="+g.programs+":"+os.Getenv("PATH")), g.settings...)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("$ %s\n%s(%v)", line, out, err)
	}
	return string(out)
}

// follow pastes the lines of a section, and fails unless one history is there afterwards, without a gap.
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
	g.line("lowcap-cdc audit compare")
	told := g.line("lowcap-cdc tail --since 1h --type 'stream.*'")
	if !strings.Contains(told, "stream.adopted") || !strings.Contains(told, "stream.reconciled") || strings.Contains(told, "stream.gap") {
		g.t.Errorf("section %q: %s", section, told)
	}
}

// TestUpgradeGuide goes every way of docs/upgrade.md that can be gone here, as it stands there.
func TestUpgradeGuide(t *testing.T) {
	t.Run("pg_upgrade", func(t *testing.T) {
		g := newGuide(t, "17")
		to, err := lab.PrepareWholePostgres(t.Context(), "18", g.server)
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
