package walkthrough

import (
	"bufio"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// A document is Markdown. In its blocks that begin with ```console a line that begins with "$ " is a command, lines that
// begin with "> " continue it, and what follows is what it printed. A comment before a block directs the machine:
//
//	<!-- until: TEXT -->                the block's last command is run again until it prints the text
//	<!-- gone: TEXT -->                 the same, until it does not
//	<!-- opens: URL PICTURE: TEXT -->   a browser shows the text at the address; the picture is of that
type document struct{ parts []part }

// part is a run of lines: a block of commands with what they print, or prose.
type part struct {
	prose    []string
	commands []command
	awaited  *awaited // nil when the last command is run once
}

// awaited is what a command is to print, or to print no more.
type awaited struct {
	text string
	gone bool
}

// met reports whether lines are what is awaited.
func (a *awaited) met(lines []string) bool {
	return a == nil || strings.Contains(strings.Join(lines, "\n"), a.text) != a.gone
}

type command struct {
	lines  []string // as they stand in the document
	output []string
}

// text returns what a shell is to read.
func (c *command) text() string {
	text := make([]string, len(c.lines))
	for i, line := range c.lines {
		text[i] = strings.TrimPrefix(strings.TrimPrefix(line, "$ "), "> ")
	}
	return strings.Join(text, "\n")
}

var awaitComment = regexp.MustCompile(`^<!-- (until|gone): (.*) -->$`)

// parse reads a document.
func parse(markdown string) (document, error) {
	var d document
	var prose []string
	var block *part
	for lines := bufio.NewScanner(strings.NewReader(markdown)); lines.Scan(); {
		line := lines.Text()
		switch {
		case block == nil && line == "```console":
			prose = append(prose, line)
			block = &part{}
			if m := awaitComment.FindStringSubmatch(at(prose, len(prose)-2)); m != nil {
				block.awaited = &awaited{text: m[2], gone: m[1] == "gone"}
			}
		case block == nil:
			prose = append(prose, line)
		case line == "```":
			d.parts = append(d.parts, part{prose: prose}, *block)
			prose, block = []string{line}, nil
		default:
			if err := block.add(line); err != nil {
				return d, err
			}
		}
	}
	if block != nil {
		return d, fmt.Errorf("the last block of commands does not end")
	}
	d.parts = append(d.parts, part{prose: prose})
	return d, nil
}

func (p *part) add(line string) error {
	if strings.HasPrefix(line, "$ ") {
		p.commands = append(p.commands, command{lines: []string{line}})
		return nil
	}
	if len(p.commands) == 0 {
		return fmt.Errorf("%q stands in a block before any command", line)
	}
	last := &p.commands[len(p.commands)-1]
	if strings.HasPrefix(line, "> ") && len(last.output) == 0 {
		last.lines = append(last.lines, line)
	} else {
		last.output = append(last.output, line)
	}
	return nil
}

// String returns the document as Markdown.
func (d *document) String() string {
	var lines []string
	for _, p := range d.parts {
		lines = append(lines, p.prose...)
		for _, c := range p.commands {
			lines = append(append(lines, c.lines...), c.output...)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// masks say what may differ between two runs.
var masks = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+]\d\d:?\d\d)?`), "TIME"},
	{regexp.MustCompile(` ?\((Debian|Ubuntu) [^)]*\)`), ""},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f-]+`), "ID"},
	{regexp.MustCompile(`\b[0-9A-F]{32}\b`), "SEQUENCE"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "CHAIN"},
	{regexp.MustCompile(`\b[0-9A-F]+/[0-9A-F]+\b`), "LSN"},
	{regexp.MustCompile(`\b(\d+(\.\d+)? ?(ns|µs|ms|s|m|h|bytes|kB|MB|GB) ?)+\b`), "SIZE "},
	{regexp.MustCompile(`\b\d+(\.\d+)?(e[+-]?\d+)?\b`), "N"},
	{regexp.MustCompile(`[ \t─-]{2,}`), " "},
}

// masked returns a text without what may differ: times, places in the WAL, sizes, numbers, the width of columns.
func masked(text string) string {
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.by)
	}
	return text
}

// difference returns the first line in which two texts differ in more than that, with what stands there, or nothing.
func difference(want, got string) string {
	wanted, found := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wanted), len(found)) {
		w, g := at(wanted, i), at(found, i)
		if masked(w) != masked(g) {
			return fmt.Sprintf("line %d\n  is:  %s\n  was: %s", i+1, g, w)
		}
	}
	return ""
}

func at(lines []string, i int) string {
	if i >= 0 && i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

func TestDocumentIsReadAndWritten(t *testing.T) {
	const text = "# Title\n\n<!-- until: b -->\n```console\n$ echo a\n> b\nold\n$ true\n```\nend\n"
	d, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.String(); got != text {
		t.Errorf("it was\n%s\nand became\n%s", text, got)
	}
	block := d.parts[1]
	met := block.awaited.met([]string{"a", "b"}) && !block.awaited.met([]string{"a"})
	if !met || len(block.commands) != 2 || block.commands[0].text() != "echo a\nb" || block.commands[0].output[0] != "old" {
		t.Errorf("%+v", block)
	}
	for _, wrong := range []string{"```console\nno command\n```\n", "```console\n$ true\n"} {
		if _, err := parse(wrong); err == nil {
			t.Errorf("%q is read", wrong)
		}
	}
}

func TestDifferenceIsWhatMatters(t *testing.T) {
	for _, same := range [][2]string{
		{"at 2026-01-18T11:00:00Z, 14 ms and 1.2 kB behind", "at 2026-01-19T11:00:00.123Z, 1.5 s and 300 bytes behind"},
		{"confirmed 0/16B3748  now", "confirmed 1/A  now"},
		{"name      x", "name x"},
		{"id=a2d3f872-be43-4e18-ad5f-a0a3", "id=49aabaa4-a0b1-4679-90e4-ce91"}, // cut at a column
		{"to 00000000019706401000000000000001", "to 000000000198F1281000000000000001"},
		{"fired 3m 4s ago", "fired 10s ago"},
	} {
		if d := difference(same[0], same[1]); d != "" {
			t.Errorf("%q differs: %s", same, d)
		}
	}
	for _, other := range [][2]string{{"ready", "not ready"}, {"a\nb", "a"}, {"ok slot", "FAIL slot"}} {
		if d := difference(other[0], other[1]); d == "" {
			t.Errorf("%q does not differ", other)
		}
	}
}
