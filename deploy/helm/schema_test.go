package helm

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// operatorModule holds the schemas of the Prometheus operator's objects.
const operatorModule = "github.com/prometheus-operator/prometheus-operator@v0.85.0"

// The oldest Kubernetes that Chart.yaml allows, and the newest whose schemas were to be had.
var kubernetesVersions = []string{"1.27.0", "1.37.0"}

func TestRenderedObjectsFitTheirSchemas(t *testing.T) {
	wheel, operator := kubernetesSchemas(t), operatorSchemas(t)
	for _, values := range []string{"least.yaml", "everything.yaml"} {
		for kind, o := range render(t, values) {
			group, version, ok := strings.Cut(at(t, o, "apiVersion").(string), "/")
			if group == "monitoring.coreos.com" {
				validate(t, operatorSchema(t, operator, kind), values+": "+kind, o)
				continue
			}
			name := strings.ToLower(kind) + "-" + strings.SplitN(group, ".", 2)[0]
			if ok {
				name += "-" + version
			}
			for _, kubernetes := range kubernetesVersions {
				place := fmt.Sprintf("%s: %s in Kubernetes %s", values, kind, kubernetes)
				validate(t, wheel.schema(t, kubernetes, name), place, o)
			}
		}
	}
}

func validate(t *testing.T, schema *jsonschema.Schema, place string, o any) {
	t.Helper()
	if err := schema.Validate(plain(t, o)); err != nil {
		t.Errorf("%s: %v", place, err)
	}
}

// archive is the wheel that holds the schemas of each Kubernetes version.
type archive struct{ *zip.ReadCloser }

func kubernetesSchemas(t *testing.T) archive {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	wheels, err := filepath.Glob(filepath.Join(cache, "lowcap-cdc", "kubernetes", "*.whl"))
	if err != nil || len(wheels) == 0 {
		t.Fatal("the schemas of Kubernetes are missing; run: .ci/deps kubernetes")
	}
	r, err := zip.OpenReader(wheels[len(wheels)-1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() }) //nolint:errcheck // it was only read
	return archive{r}
}

// schema returns the schema that, as the API server does, knows every field and allows no other.
func (a archive) schema(t *testing.T, kubernetes, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.UseLoader(folder{a, "kubernetes_validate/kubernetes-json-schema/v" + kubernetes + "-local-strict"})
	schema, err := c.Compile("https://kubernetes.io/api/" + name + ".json") // as the files call themselves
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// folder loads the schemas of one Kubernetes version.
type folder struct {
	archive
	path string
}

// Load reads the file that a schema's address ends with.
func (f folder) Load(url string) (any, error) {
	file, err := f.Open(path.Join(f.path, path.Base(url)))
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	return jsonschema.UnmarshalJSON(file)
}

// operatorSchemas returns the directory with the definitions of the operator's objects.
func operatorSchemas(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", operatorModule).Output()
	if err != nil {
		t.Fatalf("go mod download %s: %v: %s", operatorModule, err, out)
	}
	var m struct{ Dir string }
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(m.Dir, "example", "prometheus-operator-crd")
}

func operatorSchema(t *testing.T, dir, kind string) *jsonschema.Schema {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("monitoring.coreos.com_%ss.yaml", strings.ToLower(kind))))
	if err != nil {
		t.Fatal(err)
	}
	var definition object
	if err := yaml.Unmarshal(content, &definition); err != nil {
		t.Fatal(err)
	}
	schema := at(t, definition, "spec", "versions", 0, "schema", "openAPIV3Schema")
	forbidUnknown(schema)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("object.json", plain(t, schema)); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("object.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// forbidUnknown lets an object have the fields of its schema only; the API server would drop others in silence.
func forbidUnknown(schema any) {
	switch schema := schema.(type) {
	case object:
		if _, ok := schema["properties"].(object); ok && schema["additionalProperties"] == nil {
			schema["additionalProperties"] = false
		}
		for _, part := range schema {
			forbidUnknown(part)
		}
	case []any:
		for _, part := range schema {
			forbidUnknown(part)
		}
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
