package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGeneratedIsFresh fails when a struct changed and the generated file did not follow.
func TestGeneratedIsFresh(t *testing.T) {
	text, err := generate("../..")
	if err != nil {
		t.Fatal(err)
	}
	if old, err := os.ReadFile(filepath.Join("../..", generatedFile)); err != nil || !bytes.Equal(old, text) {
		t.Errorf("%s is stale (%v); run: go generate ./schemas", generatedFile, err)
	}
}

const source = `package schemas

// The topics.
const Pools = "pools"

const Info Severity = "info"

type Severity string
type Common struct{}
type Part struct { Name string ` + "`json:\"name\"`" + ` }

// Opened says so.
//
//lowcap:event pool.opened pools info
type Opened struct {
	Common
	Size int ` + "`json:\"size\"`" + `
	Part *Part ` + "`json:\"part\"`" + `
}
`

// TestMistakesAreNamed makes one mistake after another in a small contract; each must be told with its place.
func TestMistakesAreNamed(t *testing.T) {
	sound := strings.Replace(source, "Size int", "Size Severity", 1)
	for change, want := range map[string]string{
		"Size Severity->Size Severity":     "",
		"Size Severity->Size int":          "no event can hold a int",
		"event pool.opened->event":         "is not: //lowcap:event NAME TOPIC SEVERITY[,SEVERITY] [due]",
		"pools info->pools info soon":      "is not: //lowcap:event NAME TOPIC SEVERITY[,SEVERITY] [due]",
		"pools info->pools info,loud":      `no severity is called "info,loud"`,
		"opened pools->opened seas":        `no topic is called "seas"`,
		"pools info->pools loud":           `no severity is called "loud"`,
		"\tCommon\n->\n":                   "an event begins with Common",
		"`json:\"size\"`->":                "its json tag must be a name",
		"json:\"size\"->json:\"size,omit":  "its json tag must be a name",
		"type Opened struct->type opened ": "main.go", // no Go
	} {
		from, to, _ := strings.Cut(change, "->")
		path := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(path, []byte(strings.Replace(sound, from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := generate(filepath.Dir(path))
		switch {
		case want == "" && (err != nil || !bytes.Contains(text, []byte("o.open(\"part\")"))):
			t.Errorf("%v\n%s", err, text)
		case want != "" && (err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want %s in %s", change, err, want, path)
		}
	}
}

// TestTwoOfOneName: a type has one struct.
func TestTwoOfOneName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "main.go")
	sound := strings.Replace(source, "Size int", "Size Severity", 1)
	again := sound + strings.Replace(sound[strings.Index(sound, "// Opened"):], "Opened ", "Again ", 2)
	if err := os.WriteFile(path, []byte(again), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := generate(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "another struct is pool.opened too") {
		t.Errorf("error %v", err)
	}
}
