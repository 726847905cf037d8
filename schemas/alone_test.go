package schemas_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStandsAlone is a Go consumer: a module of its own that takes this package by a replace, without a network, builds
// with it, and builds again from a vendored copy.
func TestStandsAlone(t *testing.T) {
	repository, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := `package main

import (
	"bufio"
	"fmt"
	"os"

	"lowcap-cdc/schemas"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		event, err := schemas.Parse(nil, lines.Bytes())
		if err != nil {
			panic(err)
		}
		if schema, err := schemas.Schema(event.Type); err != nil || len(schema) == 0 {
			panic(err)
		}
		if _, ok := event.Data.(*schemas.EmergencyExitExecuted); ok {
			fmt.Println(event.Severity, event.Subject)
		}
	}
}
`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	goTool(t, dir, "mod", "init", "example.com/consumer")
	goTool(t, dir, "mod", "edit", "-require=lowcap-cdc@v0.0.0", "-replace=lowcap-cdc="+repository)
	if others := strings.Fields(goTool(t, dir, "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")); len(others) != 2 {
		t.Errorf("beside the standard library the consumer gets %v", others)
	}
	goTool(t, dir, "build", "-o", "consumer", ".")
	goTool(t, dir, "mod", "vendor")
	goTool(t, dir, "build", "-o", "vendored", ".")
	for _, binary := range []string{"consumer", "vendored"} {
		events, err := os.Open("testdata/events.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, binary))
		cmd.Stdin = events
		out, err := cmd.CombinedOutput()
		if !strings.HasPrefix(string(out), "page ") || err != nil {
			t.Errorf("%s: %v: %s", binary, err, out)
		}
		if err := events.Close(); err != nil {
			t.Error(err)
		}
	}
}

func goTool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}
