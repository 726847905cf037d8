package walkthrough

import (
	"bytes"
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
