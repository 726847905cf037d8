package consumers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lowcap-cdc/schemas"
)

const schemaDir = "../../schemas/v1"

// TestPythonModels makes pydantic models from the schemas and takes every recorded event through them.
func TestPythonModels(t *testing.T) {
	interpreter, models := python(t, "../clients/python/requirements.txt"), filepath.Join(t.TempDir(), "lowcap_events")
	generate := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(interpreter), "datamodel-codegen"), "--input",
		schemaDir, "--input-file-type", "jsonschema",
		"--output-model-type", "pydantic_v2.BaseModel", "--use-title-as-name", "--output", models)
	output(t, generate)
	cmd := exec.CommandContext(t.Context(), interpreter, "../clients/python/roundtrip.py", models)
	lines := recordedLines(t)
	cmd.Stdin = strings.NewReader(lines)
	if ids := strings.Fields(output(t, cmd)); len(ids) != strings.Count(lines, "\n") {
		t.Errorf("%d events went through the models, want %d", len(ids), strings.Count(lines, "\n"))
	}
}

// TestTypeScriptTypes makes types from the schemas and lets the compiler check every recorded event against them, and one
// that does not fit.
func TestTypeScriptTypes(t *testing.T) {
	modules, types := nodeModules(t), t.TempDir()
	output(t, exec.CommandContext(t.Context(), filepath.Join(modules, ".bin", "json2ts"), "-i", schemaDir+"/*.json", "-o",
		types, "--additionalProperties=false"))
	lines := recordedLines(t)
	compile := func(events string) error {
		assign := exec.CommandContext(t.Context(), "node", "../clients/typescript/assign.mjs", types, filepath.Join(types, "events.ts"))
		assign.Stdin = strings.NewReader(events)
		output(t, assign)
		return run(filepath.Join(modules, ".bin", "tsc"), "--noEmit", "--strict", "--skipLibCheck", filepath.Join(types, "events.ts"))
	}
	if err := compile(lines); err != nil {
		t.Error(err)
	}
	if err := compile(strings.Replace(lines, `"severity":"info"`, `"severity":"page"`, 1)); err == nil {
		t.Error("an event with the severity of another type fits")
	}
}

// TestDocumentsParse checks the AsyncAPI document and the diagrams with the tools that will read them.
func TestDocumentsParse(t *testing.T) {
	modules := nodeModules(t)
	dir := copyOf(t, "../clients/typescript")
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	got := output(t, exec.CommandContext(t.Context(), "node", filepath.Join(dir, "docs.mjs"),
		"../../schemas/asyncapi.json", "../../docs/events.md"))
	if want := fmt.Sprintf("%d messages\n2 diagrams\n", len(schemas.Kinds())); got != want {
		t.Errorf("parsed %s, want %s", got, want)
	}
}

func nodeModules(t *testing.T) string {
	t.Helper()
	need(t, "npm", "nodejs npm")
	list := "../clients/typescript/package.json"
	return filepath.Join(installed(t, "node", list, func(dir string) error {
		content, err := os.ReadFile(list)
		return errors.Join(err, os.WriteFile(filepath.Join(dir, "package.json"), content, 0o600),
			run("npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", "--silent"))
	}), "node_modules")
}

func recordedLines(t *testing.T) string {
	t.Helper()
	lines, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	return string(lines)
}
