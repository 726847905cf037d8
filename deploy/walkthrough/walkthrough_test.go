// Package walkthrough runs docs/operations.md: every command of it, on a machine of its own with systemd, Postgres, Kafka
// and Prometheus. Its tests fail when something else comes out than the document says.
package walkthrough

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/deploy/lab"
)

const operations = "docs/operations.md"

var update = flag.Bool("update", false, "write "+operations+" with what comes out, with the alerts as they are")

// TestOperations runs the document. Unless it is written, the alert that it waits for is a copy with shorter times.
func TestOperations(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, operations)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse(string(before))
	if err != nil {
		t.Fatal(err)
	}
	h := lab.Boot(t, "--net")
	prepare(t, h, root)
	s := openShell(t, h, root)
	for i := range d.parts {
		s.open(d.parts[i].prose)
		s.run(&d.parts[i])
	}
	after := d.String()
	if *update {
		if err := os.WriteFile(path, []byte(after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if what := difference(string(before), after); what != "" {
		t.Errorf("%s is out of date: %s\nrun: make walkthrough, and read the difference", operations, what)
	}
}

// prepare makes the machine what the document finds: the bot's database, a broker, Prometheus.
func prepare(t *testing.T, h *lab.Host, root string) {
	t.Helper()
	bin := h.StartPostgres()
	psql := func(database string, args ...string) {
		h.Run(append([]string{bin + "/psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", "/run/postgresql", "-U", "postgres", "-d",
			database}, args...)...)
	}
	psql("postgres", "-c", "create database trading")
	psql("trading", "-f", root+"/deploy/lab/source.sql", "-f", root+"/deploy/docker/load.sql")
	h.StartKafka()
	h.Write("/etc/default/prometheus-alertmanager", "ARGS=--cluster.listen-address=\n") // it looks for peers, and there is no network
	if *update {
		return
	}
	rules := root + "/deploy/alerts/lowcap-cdc.rules.yaml"
	h.Write("/run/short.rules.yaml", shortened(t, rules))
	h.Run("mount", "--bind", "/run/short.rules.yaml", rules)
}

// shortened returns the rules with the stuck alert of a test that has no three minutes. Its limit stays above the ten
// seconds within which an idle sidecar moves.
func shortened(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	long := regexp.MustCompile(`(last_progress_timestamp_seconds\) > )120(\n\s+for: )1m`)
	short := long.ReplaceAllString(string(content), "${1}15${2}5s")
	if short == string(content) {
		t.Fatalf("%s has no LowcapCdcStuck that could be shortened", path)
	}
	return short
}

// shell is a bash in the machine, in the root of the repository.
type shell struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

const prompt = "@walkthrough@"

func openShell(t *testing.T, h *lab.Host, root string) *shell {
	t.Helper()
	cmd := h.Command("bash", "--norc")
	cmd.Env = append(os.Environ(), "PGHOST=/run/postgresql", "PGUSER=postgres", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", "TZ=UTC")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // the test is over
	s := &shell{t: t, in: in, out: bufio.NewReader(out)}
	s.do("cd '" + root + "'")
	return s
}

// run runs a block and puts what it prints into its place.
func (s *shell) run(p *part) {
	s.t.Helper()
	for i := range p.commands {
		c := &p.commands[i]
		wait := &awaited{}
		if i == len(p.commands)-1 && p.awaited != nil {
			wait = p.awaited
		}
		output := s.await(c.text(), wait)
		s.t.Logf("$ %s\n%s", c.text(), strings.Join(output, "\n"))
		if was, is := exitCode(c.output), exitCode(output); was != is {
			journal := strings.Join(s.do("journalctl --no-pager -o cat -n 20"), "\n")
			s.t.Fatalf("%s: ends with %q, where %s has %q\n%s", c.text(), is, operations, was, journal)
		}
		c.output = output
	}
}

// await runs a command until what it prints is what is awaited.
func (s *shell) await(text string, wait *awaited) []string {
	s.t.Helper()
	tick, deadline := time.NewTicker(500*time.Millisecond), time.Now().Add(patience())
	defer tick.Stop()
	for {
		lines := s.do(text)
		if wait.met(lines) {
			return lines
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: does not print what is awaited, %+v: %s", text, *wait, strings.Join(lines, "\n"))
		}
		<-tick.C
	}
}

// patience is how long something is awaited: the alerts as they are take minutes.
func patience() time.Duration {
	if *update {
		return 8 * time.Minute
	}
	return 3 * time.Minute
}

// exitCode returns the line that says how a command ended, nothing when it ended well.
func exitCode(output []string) string {
	if last := at(output, len(output)-1); strings.HasPrefix(last, exited) {
		return last
	}
	return ""
}

const exited = "(exit code "

// do runs a command and returns the lines that it prints, with its exit code where that is not 0.
func (s *shell) do(text string) []string {
	s.t.Helper()
	fmt.Fprintf(s.in, "{ %s\n} </dev/null 2>&1; printf '\\n%s %%d\\n' $?\n", text, prompt)
	var lines []string
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("%s: the shell ended: %v: %s", text, err, strings.Join(lines, "\n"))
		}
		line = strings.TrimRight(line, " \n")
		code, isEnd := strings.CutPrefix(line, prompt+" ")
		if !isEnd {
			lines = append(lines, line)
			continue
		}
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1] // the line end before the prompt
		}
		if n, err := strconv.Atoi(code); err != nil || n != 0 {
			lines = append(lines, exited+code+")")
		}
		return lines
	}
}

var opensComment = regexp.MustCompile(`^<!-- opens: (\S+) (\S+): (.*) -->$`)

// open shows pages to a browser as the comments in prose say.
func (s *shell) open(prose []string) {
	s.t.Helper()
	for _, line := range prose {
		found := opensComment.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		address, picture, text := found[1], found[2], found[3]
		if page := s.browse("--dump-dom", address); !strings.Contains(page, text) {
			s.t.Errorf("%s does not show %q: %s", address, text, page)
		}
		if *update {
			s.browse("--screenshot=docs/"+picture, address)
		}
	}
}

func (s *shell) browse(what, address string) string {
	s.t.Helper()
	const chromium = "chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking " +
		"--disable-component-update --disable-sync --hide-scrollbars --window-size=1000,1100 --virtual-time-budget=5000 " +
		"--user-data-dir=$(mktemp -d -p /run) "
	return strings.Join(s.do(chromium+what+" "+address+" 2>/dev/null"), "\n")
}
