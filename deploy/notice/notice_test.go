// Package notice keeps NOTICE, the licences of everything that is linked into the released programs. `make notice` writes
// the file from the module cache; the test fails when a program links what it does not name.
package notice

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root = "../.."
	rule = "================================================================================"
)

var update = flag.Bool("update", false, "write NOTICE")

// programs and platforms are what `make release` and `make build` give away.
var (
	programs  = []string{"./cmd/lowcap-cdc", "./cmd/lowcap-parquet"}
	platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}
)

// licenceFile matches the names under which a module keeps what its users must pass on.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents)([.-].*)?$`)

func TestNoticeIsComplete(t *testing.T) {
	want := written(linked(t))
	path := filepath.Join(root, "NOTICE")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("NOTICE is not what the programs link; run: make notice, and read the difference")
	}
}

// goPackage is what `go list` says of a package.
type goPackage struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// linked returns the licence texts of each linked module, by its name and version.
func linked(t *testing.T) map[string][]string {
	t.Helper()
	texts := map[string][]string{}
	for _, platform := range platforms {
		for _, p := range packages(t, platform) {
			if p.Standard || p.Module.Main {
				continue
			}
			name := p.Module.Path + " " + p.Module.Version
			for _, text := range above(t, p.Dir, p.Module.Dir) {
				if !slices.Contains(texts[name], text) {
					texts[name] = append(texts[name], text)
				}
			}
			if len(texts[name]) == 0 {
				t.Errorf("%s has no licence in a file of its own", name)
			}
		}
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSpace(string(goroot))
	texts["The Go standard library and runtime"] = above(t, dir, dir)
	return texts
}

// packages returns what the programs are made of on a platform, like linux/arm64.
func packages(t *testing.T, platform string) (all []goPackage) {
	t.Helper()
	system, machine, _ := strings.Cut(platform, "/")
	list := exec.Command("go", append([]string{"list", "-deps", "-json=Dir,Standard,Module"}, programs...)...)
	list.Dir = root
	list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+machine)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// above returns the licence texts in a directory and in those above it, up to the module's: code that a module has copied
// keeps its licence beside it.
func above(t *testing.T, dir, top string) (texts []string) {
	t.Helper()
	for ; strings.HasPrefix(dir, top); dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
		}
	}
	return texts
}

// written returns NOTICE: modules with the same texts stand together, in the order of their names.
func written(texts map[string][]string) string {
	names := make([]string, 0, len(texts))
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	together := map[string][]string{}
	var order []string
	for _, name := range names {
		text := strings.Join(texts[name], "\n\n")
		if together[text] == nil {
			order = append(order, text)
		}
		together[text] = append(together[text], name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "lowcap-cdc is released under the licence in LICENSE. Its programs contain the software below.\n"+
		"Written by: make notice\n")
	for _, text := range order {
		fmt.Fprintf(&b, "\n%s\n%s\n%s\n\n%s\n", rule, strings.Join(together[text], "\n"), rule, text)
	}
	return b.String()
}
