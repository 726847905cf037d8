package walkthrough

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"lowcap-cdc/deploy/lab"
)

// TestReadersCanPaste does what a reader does: README's five minutes, line by line, on a server and a broker that nobody has
// prepared; and then, on what came of it, every other command and SQL statement of every document. Only names of hosts,
// directories and tokens are replaced.
func TestReadersCanPaste(t *testing.T) {
	r := newReader(t)
	r.psql("call demo_load(1, 0)")
	r.fiveMinutes()
	r.psql("call demo_load(3, 0)")
	r.paste("lowcap-cdc run --until now")
	for _, c := range commands(t) {
		t.Run(c.text, func(t *testing.T) {
			r.t = t
			r.try(c)
		})
	}
	r.t = t
	for _, sql := range statements(t) {
		r.run(sql)
	}
	r.paste("lowcap-cdc run --until now")
}

// reader is a person with a shell, a database and a broker.
type reader struct {
	t        *testing.T
	dir      string
	database *lab.Postgres
	settings []string          // environment variables
	replaced *strings.Replacer // names of the documents by ours
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{t: t, dir: t.TempDir()}
	var err error
	if r.database, err = lab.StartPostgres(t.Context(), "fsync=off"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.database.Close() }) //nolint:errcheck // the test is over
	conn, err := r.database.CreateSource(t.Context(), "trading")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context()) //nolint:errcheck // nothing was left undone on it
	r.database.RequirePasswords(t)
	broker, err := lab.StartKafka(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() }) //nolint:errcheck // the test is over
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	r.replaced = strings.NewReplacer("@db/", fmt.Sprintf("@127.0.0.1:%d/", r.database.Port),
		"k1:9092,k2:9092", broker.Addr(), "h1:9092", broker.Addr(), "http://alertmanager:9093", receiver.URL,
		"https://ntfy.sh/A-NAME-THAT-NOBODY-GUESSES", receiver.URL+"/alerts", "https://api.telegram.org", receiver.URL,
		"file:DIR", "file:"+filepath.Join(r.dir, "copies"), "file:events", "file:"+filepath.Join(r.dir, "files"),
		"file:/var/lib/lowcap-cdc", "file:"+filepath.Join(r.dir, "files"), "/var/lib/lowcap-cdc-notify", filepath.Join(r.dir, "places"),
		"/etc/lowcap-cdc/", r.dir+"/", " WIF", " DEMO3", " TOKEN", " DEMO3", ":9187", "127.0.0.1:0")
	rc := filepath.Join(r.dir, "psqlrc")
	if err := os.WriteFile(rc, []byte("\\set ON_ERROR_STOP 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	programs := build(t) + ":" + filepath.Dir(r.database.Program("psql")) + ":" + os.Getenv("PATH")
	r.settings = []string{"PATH=" + programs, "PGHOST=127.0.0.1", fmt.Sprintf("PGPORT=%d", r.database.Port), "PGUSER=postgres",
		"PSQLRC=" + rc, "HOME=" + r.dir}
	r.settings = append(r.settings, "TO=file:"+filepath.Join(r.dir, "moved"), "TELEGRAM_TOKEN=secret", "SLACK_WEBHOOK="+receiver.URL)
	r.configure(receiver.URL)
	r.shell("psql -q -d trading -f " + absolute(t, "../docker/load.sql"))
	return r
}

// configure writes the files that the documents name, notify.yaml as docs/alerting.md has it.
func (r *reader) configure(receiver string) {
	r.t.Helper()
	routes := yamlBlock.FindStringSubmatch(read(r.t, "../../docs/alerting.md"))
	if routes == nil {
		r.t.Fatal("docs/alerting.md has no routes")
	}
	for name, content := range map[string]string{"notify.yaml": r.replaced.Replace(routes[1]), "telegram-token": "secret",
		"mail-password": "secret", "heartbeat-url": receiver} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

// build makes the program and returns its directory.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "lowcap-cdc/cmd/lowcap-cdc").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	fiveMinutes = regexp.MustCompile(`(?s)## Five minutes.*?\n## `)
	yamlBlock   = regexp.MustCompile("(?s)```yaml\n(page-url.*?)```")
	shellBlock  = regexp.MustCompile("(?s)```sh\n(.*?)```")
	exported    = regexp.MustCompile(`^export (\S+)$`)
)

// fiveMinutes pastes each line of that section.
func (r *reader) fiveMinutes() {
	r.t.Helper()
	section := fiveMinutes.FindString(read(r.t, "../../README.md"))
	lines := 0
	for _, block := range shellBlock.FindAllStringSubmatch(section, -1) {
		for _, line := range strings.Split(block[1], "\n") {
			if line = strings.TrimSpace(line); line != "" {
				lines++
				r.paste(line)
			}
		}
	}
	if lines < 10 {
		r.t.Fatalf("README's five minutes have %d lines of commands", lines)
	}
}

// ofTheHost matches paths that a test must leave alone.
var ofTheHost = regexp.MustCompile(`[ :=](/etc|/var|/usr|/run)/`)

// paste runs a line of a document. What it exports stays.
func (r *reader) paste(line string) {
	r.t.Helper()
	line = r.replaced.Replace(line)
	if ofTheHost.MatchString(line) {
		r.t.Fatalf("$ %s\nwould touch this machine; give the test a place of its own for it", line)
	}
	if found := exported.FindStringSubmatch(line); found != nil {
		r.settings = append(r.settings, found[1])
		return
	}
	if what := streaming(line); what != "" {
		r.stream(line, what)
		return
	}
	r.shell(line)
}

// shell runs a command that ends, and returns what it printed. Where it asks, it is answered with the slot's name.
func (r *reader) shell(line string) string {
	r.t.Helper()
	cmd := r.command(r.t.Context(), line)
	cmd.Stdin = strings.NewReader("lowcap_cdc\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("$ %s\n%s(%v)", line, out, err)
	}
	return string(out)
}

func (r *reader) psql(sql string) { r.shell("psql -q -d trading -c '" + sql + "'") }

// run runs a block of SQL as an administrator.
func (r *reader) run(sql documented) {
	r.t.Helper()
	if table, isAdded := strings.CutPrefix(strings.TrimSpace(sql.text), "alter publication lowcap_cdc add table "); isAdded {
		r.psql("alter publication lowcap_cdc drop table " + table) // which it is to bring back
	}
	file := filepath.Join(r.dir, "block.sql")
	if err := os.WriteFile(file, []byte(sql.text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.shell("psql -q -d trading -f " + file)
}

func (r *reader) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = r.dir, r.settings
	if strings.Contains(line, "--sink file:") {
		cmd.Env = append(slices.Clone(r.settings), "LOWCAP_CDC_SLOT=lowcap_files") // one slot for each sink
	}
	return cmd
}

var goesOn = regexp.MustCompile(`^lowcap-cdc (run|notify)\b|^lowcap-cdc tail .*( -f\b|--follow)`)

var endsByItself = regexp.MustCompile(`--until|--list|--test`)

// streaming returns what a command that does not end prints when it has begun, and nothing for one that ends.
func streaming(line string) string {
	switch found := goesOn.FindStringSubmatch(line); {
	case found == nil || endsByItself.MatchString(line):
		return ""
	case found[1] == "run" && strings.Contains(line, "stdout:"):
		return ".baseline.v1" // before it waits, and whatever the log says
	case found[1] == "run":
		return `"message":"streaming"`
	case found[1] == "notify":
		return `"message":"watching from`
	}
	return "emergency_exit.executed"
}

// stream runs a command until it has printed what shows that it works, and ends it with Ctrl-C.
func (r *reader) stream(line, what string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience())
	defer cancel()
	cmd := r.command(ctx, "exec "+line)
	out := &awaitedOutput{what: []byte(what), seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-out.seen:
	case err := <-ended:
		r.t.Fatalf("$ %s\n%s(%v, before it printed %q)", line, out, err, what)
	}
	err := cmd.Process.Signal(syscall.SIGINT)
	if ending := <-ended; err != nil || ending != nil {
		r.t.Fatalf("$ %s\n%s^C (%v, %v)", line, out, err, ending)
	}
}

// awaitedOutput is closed when it holds what is awaited.
type awaitedOutput struct {
	mu   sync.Mutex
	text []byte
	what []byte
	seen chan struct{}
	once sync.Once
}

func (a *awaitedOutput) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text = append(a.text, p...)
	if bytes.Contains(a.text, a.what) {
		a.once.Do(func() { close(a.seen) })
	}
	return len(p), nil
}

func (a *awaitedOutput) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return string(a.text)
}

// unserved are commands that ask a server which this test does not start, with what they then complain of. They are as they should
// be when they have found nothing else wrong.
var unserved = map[*regexp.Regexp]string{
	regexp.MustCompile(`--value-format avro|--schema-registry`): "registry",
	regexp.MustCompile(`notify .*--test`):                       "mail",
}

// comparing are commands that want a sidecar at work: an idle server writes into its WAL too, and the sink would be behind that.
var comparing = regexp.MustCompile(`^lowcap-cdc audit compare\b`)

// try runs a command of a document.
func (r *reader) try(c documented) {
	r.t.Helper()
	complaint := ""
	for commands, what := range unserved {
		if commands.MatchString(c.text) {
			complaint = what
		}
	}
	if comparing.MatchString(c.text) {
		r.shell("lowcap-cdc run 2> run.log & " + r.replaced.Replace(c.text) + "; code=$?; kill $!; wait; exit $code")
		return
	}
	if complaint == "" {
		r.paste(c.text)
		return
	}
	line := r.replaced.Replace(c.text)
	cmd := r.command(r.t.Context(), "timeout 20 "+line)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); !strings.Contains(string(out), complaint) || code == 124 || code == 2 {
		r.t.Errorf("%s: $ %s\n%s(%v)", c.document, line, out, err)
	}
}

// documented is a command, with the document that has it first.
type documented struct{ text, document string }

var (
	block  = regexp.MustCompile("(?s)```(\\w*)\n(.*?)```")
	span   = regexp.MustCompile("`([^`]+)`")
	inside = regexp.MustCompile(`^(?:\$ )?(lowcap-cdc .*)$`)
	// A span that begins with a verb and a flag is a command without its first word.
	verb = regexp.MustCompile(`^(run|init|check|status|tail|audit|reconcile|handover|replay|notify|teardown|probe|completion|version) -`)
)

// commands returns each different command of the documents. Those of the consoles of docs/operations.md are TestOperations'.
func commands(t *testing.T) (all []documented) {
	t.Helper()
	add := func(text, document string) {
		text, _, _ = strings.Cut(text, " #")
		text = strings.Join(strings.Fields(text), " ")
		known := slices.ContainsFunc(all, func(c documented) bool { return c.text == text })
		if !known {
			all = append(all, documented{text, document})
		}
	}
	for _, document := range documents(t) {
		text := read(t, document)
		for _, b := range block.FindAllStringSubmatch(text, -1) {
			for _, line := range strings.Split(strings.ReplaceAll(b[2], "\\\n", " "), "\n") {
				if found := inside.FindStringSubmatch(strings.TrimSpace(line)); found != nil && b[1] != "console" {
					add(found[1], document)
				}
			}
		}
		for _, s := range span.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
			switch text := strings.Join(strings.Fields(s[1]), " "); {
			case text == "lowcap-cdc notify": // who is to be told is missing: it is mentioned, not meant to be run
			case strings.HasPrefix(text, "lowcap-cdc "):
				add(text, document)
			case verb.MatchString(text):
				add("lowcap-cdc "+text, document)
			}
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d commands are found", len(all))
	}
	return all
}

// statements returns each block of SQL.
func statements(t *testing.T) (all []documented) {
	t.Helper()
	for _, document := range documents(t) {
		for _, b := range block.FindAllStringSubmatch(read(t, document), -1) {
			if b[1] == "sql" {
				all = append(all, documented{b[2], document})
			}
		}
	}
	if len(all) < 4 {
		t.Fatalf("only %d blocks of SQL are found", len(all))
	}
	return all
}

// documents returns the paths of what a user reads. A changelog says what was.
func documents(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(path string) bool { return strings.HasSuffix(path, "changelog.md") })
	return append([]string{"../../README.md", "../../CONTRIBUTING.md", "../../SECURITY.md"}, all...)
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
