package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "lowcap-cdc/"

// rooms says what each room may import of the others, directly. A room below one that is named belongs to it.
// Nobody reaches up, and two rooms that stand beside each other do not know each other.
var rooms = map[string][]string{
	"schemas":            nil,
	"schemas/schematest": {"schemas"},
	"decode":             nil,
	"cdc":                {"decode", "schemas"},
	"cdc/check":          nil,
	"cdc/pg":             {"cdc", "cdc/check", "decode", "schemas"},
	"sink":               {"cdc", "cdc/check", "schemas"},
	"sink/file":          {"cdc", "cdc/check", "schemas", "sink"},
	"sink/kafka":         {"cdc", "cdc/check", "schemas", "sink"},
	"sink/sinktest":      {"cdc", "schemas", "sink"},
	"cmd/lowcap-parquet": {"cdc", "schemas", "sink", "sink/file"},
	"internal/settings":  {"cdc", "cdc/check", "cdc/pg", "decode", "schemas", "sink", "sink/file", "sink/kafka"},
	"internal/readable":  {"cdc", "schemas", "sink", "internal/settings"},
	"internal/trades":    {"schemas", "internal/readable"},
	"internal/report":    {"schemas", "sink", "internal/readable", "internal/settings", "internal/trades"},
	"internal/systemd":   nil,
	"internal/metric":    nil,
	"internal/monitor":   {"cdc", "cdc/check", "cdc/pg", "decode", "schemas", "sink", "internal/metric", "internal/settings"},
	"internal/supervise": {
		"cdc",
		"cdc/check",
		"cdc/pg",
		"decode",
		"schemas",
		"sink",
		"sink/kafka",
		"internal/monitor",
		"internal/settings",
		"internal/systemd",
	},
	"internal/adopt":    {"cdc", "cdc/pg", "decode", "internal/readable", "internal/settings", "internal/supervise"},
	"internal/handover": {"cdc", "cdc/pg", "internal/settings", "internal/supervise"},
	"sidecar":           {"cdc", "internal/adopt", "internal/handover", "internal/monitor", "internal/settings", "internal/supervise"},
	"internal/page":     {"cdc", "schemas", "sink", "internal/monitor", "internal/readable", "internal/settings"},
	"internal/notify": { // and its receivers
		"cdc",
		"decode",
		"schemas",
		"sink",
		"sink/kafka",
		"internal/metric",
		"internal/readable",
		"internal/settings",
	},
	"internal/audit": {
		"internal/audit/belief",
		"internal/audit/seal",
		"cdc",
		"cdc/pg",
		"decode",
		"schemas",
		"sink",
		"sink/file",
		"sink/kafka",
		"internal/readable",
		"internal/settings",
	},
	"internal/audit/seal":   {"schemas", "sink"},
	"internal/audit/belief": {"internal/readable", "cdc", "decode", "schemas"},
	"internal/golden":       nil,
	"e2e":                   nil,
}

// ours is a package of the project, and what it imports outside its tests.
type ours struct {
	path, dir string
	imports   []string
}

// packages returns the packages that a pattern stands for, or, with deps, everything that they link.
func packages(t *testing.T, args ...string) []ours {
	t.Helper()
	args = append([]string{"list", "-f", `{{.ImportPath}}	{{.Dir}}	{{join .Imports " "}}`}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
	var list []ours
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, ours{fields[0], fields[1], strings.Fields(fields[2])})
	}
	return list
}

// roomOf returns the room that a package belongs to: the deepest one that is named.
func roomOf(path string) string {
	room := strings.TrimPrefix(strings.TrimPrefix(path, module), "cmd/lowcap-cdc/")
	for at := room; at != "."; at = filepath.Dir(at) {
		if _, known := rooms[at]; known {
			return at
		}
	}
	return room
}

// TestArrows: who imports whom. The verbs and deploy may import everything.
func TestArrows(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range packages(t, "./...") {
		room := roomOf(p.path)
		seen[room] = true
		if room == "cmd/lowcap-cdc" || strings.HasPrefix(room, "deploy/") {
			continue
		}
		allowed, known := rooms[room]
		if !known {
			t.Errorf("%s is no room that the rules know", p.path)
		}
		for _, imported := range p.imports {
			if to := roomOf(imported); strings.HasPrefix(imported, module) && to != room && !slices.Contains(allowed, to) {
				t.Errorf("%s must not import %s", p.path, imported)
			}
		}
	}
	for room := range rooms {
		if !seen[room] {
			t.Errorf("there is no room %s", room)
		}
	}
}

// TestHeartIsPure: the heart, the decoder and the contract do no I/O and know no clock and no log.
func TestHeartIsPure(t *testing.T) {
	impure := regexp.MustCompile(
		`^(net|net/http|os|os/.*|io/ioutil|log|log/.*|syscall|runtime|runtime/.*|database/.*|github\.com/(jackc|segmentio|rs)/.*)$`,
	)
	for _, p := range packages(t, "./cdc", "./cdc/internal/...", "./cdc/check", "./decode", "./schemas") {
		for _, imported := range p.imports {
			if impure.MatchString(imported) {
				t.Errorf("%s must not import %s", p.path, imported)
			}
		}
		for _, place := range clocks(t, p.dir) {
			t.Errorf("%s asks a clock", place)
		}
	}
}

// clocks returns where a package's code asks what time it is, or waits for time to pass.
func clocks(t *testing.T, dir string) (places []string) {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				of, isName := s.X.(*ast.Ident)
				if isName && of.Name == "time" &&
					slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}, s.Sel.Name) {
					places = append(places, set.Position(s.Pos()).String())
				}
			}
			return true
		})
	}
	return places
}

// TestLinked: what a binary must not link, however far down.
func TestLinked(t *testing.T) {
	for of, never := range map[string]string{
		"./cmd/lowcap-parquet": `segmentio/kafka-go|franz-go|lowcap-cdc/sink/kafka|jackc/pgconn|lowcap-cdc/cdc/pg`,
		"./cmd/lowcap-cdc":     `parquet-go|protobuf|^testing$|lowcap-cdc/deploy|lowcap-cdc/sink/sinktest`,
		"./schemas":            `^lowcap-cdc/(cdc|decode|sink)`,
		"./decode":             `jackc/`,
		"./cdc":                `^net/http$|jackc/|segmentio/`,
	} {
		for _, p := range packages(t, "-deps", of) {
			if regexp.MustCompile(never).MatchString(p.path) {
				t.Errorf("%s links %s", of, p.path)
			}
		}
	}
}

// TestRuntimeDependencies: the modules that the binaries' own packages import are the ones that CONTRIBUTING.md lists before
// those of the tests. So no tool of the tests slips in, and each dependency has its reason.
func TestRuntimeDependencies(t *testing.T) {
	used := make(map[string]bool)
	for _, p := range packages(t, "-deps", "./cmd/lowcap-cdc", "./cmd/lowcap-cdc/internal/...", "./cmd/lowcap-parquet") {
		if !strings.HasPrefix(p.path, module) {
			continue
		}
		for _, imported := range p.imports {
			if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
				used[strings.TrimPrefix(imported, "github.com/")] = true
			}
		}
	}
	listed := listedDependencies(t)
	for _, name := range listed {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(used)), func(path string) bool { return isUnder(path, name) }) {
			t.Errorf("CONTRIBUTING.md lists %s, which no binary uses", name)
		}
	}
	for path := range used {
		if !slices.ContainsFunc(listed, func(name string) bool { return isUnder(path, name) }) {
			t.Errorf("a binary uses %s, which CONTRIBUTING.md does not list among the runtime's", path)
		}
	}
}

func isUnder(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// listedDependencies returns the names in the first column of the table, up to the tools of chaos and tests.
func listedDependencies(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Dependencies\n")
	table, _, found := strings.Cut(table, "| chaos only")
	if !found {
		t.Fatal("the table of dependencies is not there")
	}
	name := regexp.MustCompile("`([^`]+/[^`]+)`")
	for line := range strings.Lines(table) {
		if column, isRow := strings.CutPrefix(line, "| `"); isRow {
			column, _, _ = strings.Cut("`"+column, "|")
			for _, found := range name.FindAllStringSubmatch(column, -1) {
				names = append(names, found[1])
			}
		}
	}
	return names
}
