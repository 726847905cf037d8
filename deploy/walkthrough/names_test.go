package walkthrough

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/schemas"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	testName = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark)[A-Z]\w*$`)
	fileName = regexp.MustCompile(`^[\w/.-]*[\w-]+\.(go|sql|sh|yaml|json|jsonl\.gz|py|java|proto)$`)
	theirs   = regexp.MustCompile(`^kafka-[a-z-]+\.sh$`) // Kafka's own programs
	makeRule = regexp.MustCompile(`^make ([a-z-]+)`)
	makeLine = regexp.MustCompile(`(?m)^make ([a-z-]+)`)
	flagName = regexp.MustCompile(`^--(?:no-)?([a-z-]+)`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
)

// TestDocumentsNameWhatExists looks for every file, heading, test, flag and make target that a document names.
func TestDocumentsNameWhatExists(t *testing.T) {
	tests, files := listed(t, `^func ((Test|Fuzz|Benchmark)\w+)\(`), tracked(t)
	flags := listedIn(read(t, "../../docs/cli.md"), "`(?:-\\w, )?--(?:\\[no-\\])?([a-z-]+)")
	targets := listedIn(read(t, "../../Makefile"), `(?m)^([a-z-]+):`)
	for _, document := range append(documents(t), "../../docs/contract-changelog.md", "../../CHANGELOG.md") {
		text := read(t, document)
		ofOthers := strings.HasSuffix(document, "consumers.md") // its flags are also other programs'
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			if what := broken(t, document, l[1]); what != "" {
				t.Errorf("%s links to %s: %s", document, l[1], what)
			}
		}
		for _, made := range makeLine.FindAllStringSubmatch(text, -1) {
			if !targets[made[1]] {
				t.Errorf("%s names make %s, and there is no such target", document, made[1])
			}
		}
		for _, s := range span.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
			name := s[1]
			switch made := makeRule.FindStringSubmatch(name); {
			case testName.MatchString(name) && !tests[name]:
				t.Errorf("%s names %s, and there is no such test", document, name)
			case !ofOthers && flagName.MatchString(name) && !flags[flagName.FindStringSubmatch(name)[1]]:
				t.Errorf("%s names %s, and no verb has that flag", document, name)
			case made != nil && !targets[made[1]]:
				t.Errorf("%s names make %s, and there is no such target", document, made[1])
			case fileName.MatchString(name) && !theirs.MatchString(name) && !isThere(files, name):
				t.Errorf("%s names %s, and there is no such file", document, name)
			}
		}
	}
}

// isThere reports whether a file has this name, or a path that ends with it.
func isThere(files []string, name string) bool {
	return slices.ContainsFunc(files, func(f string) bool { return f == name || strings.HasSuffix(f, "/"+name) })
}

// broken says what is wrong with a link of a document, nothing when it leads somewhere.
func broken(t *testing.T, document, target string) string {
	t.Helper()
	if strings.Contains(target, "://") {
		return ""
	}
	path, anchor, _ := strings.Cut(target, "#")
	to := document
	if path != "" {
		to = filepath.Join(filepath.Dir(document), path)
	}
	if _, err := os.Stat(to); err != nil {
		return "there is no such file"
	}
	if anchor == "" {
		return ""
	}
	for _, h := range heading.FindAllStringSubmatch(read(t, to), -1) {
		if anchor == strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") {
			return ""
		}
	}
	return "there is no such heading"
}

// tracked returns the files of the repository, as git has them.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// listed returns what a pattern finds at the beginning of lines of Go files.
func listed(t *testing.T, pattern string) map[string]bool {
	t.Helper()
	var all bytes.Buffer
	for _, file := range tracked(t) {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		content, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		all.Write(content)
	}
	return listedIn(all.String(), "(?m)"+pattern)
}

func listedIn(text, pattern string) map[string]bool {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return found
}

// TestReadmeNamesEachType looks for every event type in the row of its topic, as `family.kind` or, after one of its family, `.kind`.
func TestReadmeNamesEachType(t *testing.T) {
	readme := read(t, "../../README.md")
	for _, k := range schemas.Kinds() {
		row := regexp.MustCompile("(?m)^\\| `lowcap." + k.Topic + "` \\|.*$").FindString(readme)
		name := strings.TrimSuffix(strings.TrimPrefix(string(k.Type), "lowcap."), ".v1")
		family, kind, _ := strings.Cut(name, ".")
		if !strings.Contains(row, "`"+family+".") || !strings.Contains(row, "."+kind+"`") {
			t.Errorf("README's row of lowcap.%s does not name %s", k.Topic, name)
		}
	}
}

// TestReadmeShowsARealEvent: the event that README begins with is one that was recorded, but for times and numbers.
func TestReadmeShowsARealEvent(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, "../../README.md"), "```json\n")
	shown, _, found := strings.Cut(rest, "```")
	var want, got bytes.Buffer
	if err := json.Compact(&got, []byte(shown)); err != nil || !found {
		t.Fatalf("README begins with no event: %v", err)
	}
	e, err := schemas.Parse(nil, got.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(read(t, "../../schemas/testdata/events.jsonl")) {
		recorded, err := schemas.Parse(nil, []byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if recorded.Type != e.Type || recorded.PartitionKey != e.PartitionKey {
			continue
		}
		if err := indented(&want, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	got.Reset()
	if err := indented(&got, []byte(shown)); err != nil {
		t.Fatal(err)
	}
	if diff := difference(want.String(), got.String()); diff != "" {
		t.Errorf("README's event is not the one of the recording: %s", diff)
	}
}

// indented writes JSON with its keys in order, a field a line.
func indented(to *bytes.Buffer, text []byte) error {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err
	}
	e := json.NewEncoder(to)
	e.SetIndent("", " ")
	return e.Encode(v)
}

// TestReadmeNumbersWereMeasured: each number of the comparison in README stands in docs/performance.md.
func TestReadmeNumbersWereMeasured(t *testing.T) {
	measured := read(t, "../../docs/performance.md")
	numbers := 0
	for _, row := range regexp.MustCompile(`(?m)^\| measured, .*$`).FindAllString(read(t, "../../README.md"), -1) {
		_, cells, _ := strings.Cut(row[2:], "|")
		for _, n := range regexp.MustCompile(`\d+(\.\d+)?`).FindAllString(cells, -1) {
			numbers++
			if !regexp.MustCompile(`\D` + regexp.QuoteMeta(n) + `(\D|$)`).MatchString(measured) {
				t.Errorf("README says %s in %q, and docs/performance.md has no such number", n, row)
			}
		}
	}
	if numbers < 6 {
		t.Errorf("README compares %d numbers", numbers)
	}
}

// TestReadmeCountsTypes: README says how many types of event there are.
func TestReadmeCountsTypes(t *testing.T) {
	if want := fmt.Sprintf("each of %d types with a schema", len(schemas.Kinds())); !strings.Contains(read(t, "../../README.md"), want) {
		t.Errorf("README does not say %q", want)
	}
}
