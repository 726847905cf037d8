package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// suppression is a comment that silences a linter: its name, and why that is right here.
var suppression = regexp.MustCompile(`//nolint:([a-z,]+)( // \S.*)?`)

// TestSuppressions finds comments that silence a linter which does not run, or that do not say why.
func TestSuppressions(t *testing.T) {
	running := linters(t)
	found := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range suppression.FindAllSubmatch(text, -1) {
			found++
			if linter := string(match[1]); !slices.Contains(running, linter) {
				t.Errorf("%s silences %s, which does not run", path, linter)
			}
			if len(match[2]) == 0 {
				t.Errorf("%s does not say why: %s", path, match[0])
			}
		}
		return err
	})
	if err != nil || found == 0 {
		t.Fatalf("%d suppressions, %v", found, err)
	}
}

func linters(t *testing.T) []string {
	text, err := os.ReadFile("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct{ Linters struct{ Enable []string } }
	if err := yaml.Unmarshal(text, &config); err != nil || len(config.Linters.Enable) == 0 {
		t.Fatalf("%v: %v", config, err)
	}
	return config.Linters.Enable
}
