package docker

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// composeGo is the module that holds the schema of compose files.
const composeGo = "github.com/compose-spec/compose-go/v2@v2.16.2"

func composeFile(t *testing.T) map[string]any {
	t.Helper()
	content, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	return file
}

func TestComposeFileFitsTheSpecification(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", composeGo).Output()
	if err != nil {
		t.Fatalf("go mod download %s: %v: %s", composeGo, err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(module.Dir, "schema", "compose-spec.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(plain(t, composeFile(t))); err != nil {
		t.Error(err)
	}
}

// plain turns what the YAML decoder made into what a JSON decoder makes.
func plain(t *testing.T, value any) any {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonschema.UnmarshalJSON(strings.NewReader(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// The schema cannot see that a file is mounted which does not exist, or that a service waits for nobody.
func TestComposeFileNamesWhatIsThere(t *testing.T) {
	services := composeFile(t)["services"].(map[string]any)
	for name, s := range services {
		service := s.(map[string]any)
		volumes, _ := service["volumes"].([]any)
		for _, v := range volumes {
			path, _, _ := strings.Cut(v.(string), ":")
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s mounts %v", name, err)
			}
		}
		waits, _ := service["depends_on"].(map[string]any)
		for other := range waits {
			target, ok := services[other].(map[string]any)
			if !ok || target["healthcheck"] == nil {
				t.Errorf("%s waits for %s, which is no service with a health check", name, other)
			}
		}
	}
}

// A misspelt variable would be ignored in silence.
func TestComposeFileSetsSettingsThatExist(t *testing.T) {
	help, err := exec.CommandContext(t.Context(), "go", "run", "lowcap-cdc/cmd/lowcap-cdc", "run", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, help)
	}
	environment := composeFile(t)["services"].(map[string]any)["lowcap-cdc"].(map[string]any)["environment"].(map[string]any)
	for name := range environment {
		if strings.HasPrefix(name, "LOWCAP_") && !strings.Contains(string(help), "$"+name) {
			t.Errorf("there is no setting %s", name)
		}
	}
}

func TestPrometheusConfigurationLoads(t *testing.T) {
	dir := t.TempDir()
	for from, to := range map[string]string{"prometheus.yaml": "prometheus.yml", "../alerts/lowcap-cdc.rules.yaml": "lowcap-cdc.rules.yaml"} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "promtool", "check", "config", filepath.Join(dir, "prometheus.yml")).CombinedOutput()
	if err != nil {
		t.Fatalf("promtool: %v: %s; is it installed? run: .ci/deps prometheus", err, out)
	}
}
