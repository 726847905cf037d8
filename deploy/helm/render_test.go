// Package helm holds the chart. Its tests lint and render it with Helm itself, and check the rendered objects with the
// schemas of Kubernetes and of the Prometheus operator; no cluster is needed.
package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const clientModule = "helm.sh/helm/v4/cmd/helm@v4.3.1"

var client string // building it takes longer than all tests

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lowcap-helm")
	if err == nil {
		err = install(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	client = filepath.Join(dir, "helm")
	code := m.Run()
	os.RemoveAll(dir) //nolint:errcheck // a leftover costs only space
	os.Exit(code)
}

func install(dir string) error {
	cmd := exec.Command("go", "install", clientModule)
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s: %w: %s", clientModule, err, out)
	}
	return nil
}

// helm runs the client; the error holds what it complained of.
func helm(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), client, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("helm %s: %w: %s%s", strings.Join(args, " "), err, complaint.Bytes(), out)
	}
	return out, err
}

// object is a rendered object, as a JSON decoder would have it.
type object = map[string]any

// render returns the chart's objects by kind.
func render(t *testing.T, values string, flags ...string) object {
	t.Helper()
	objects := make(object)
	for _, o := range renderAll(t, append([]string{"-f", filepath.Join("testdata", values)}, flags...)...) {
		objects[o["kind"].(string)] = o
	}
	return objects
}

// renderAll returns the chart's objects.
func renderAll(t *testing.T, flags ...string) []object {
	t.Helper()
	return renderChart(t, "lowcap-cdc", flags...)
}

func renderChart(t *testing.T, chart string, flags ...string) (objects []object) {
	t.Helper()
	out, err := helm(t, append([]string{"template", "release", chart}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := yaml.NewDecoder(bytes.NewReader(out)); ; {
		var o object
		switch err := decoder.Decode(&o); {
		case errors.Is(err, io.EOF):
			return objects
		case err != nil:
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
}

// at follows keys and indexes into an object.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			value = value.(object)[step]
		case int:
			value = value.([]any)[step]
		}
	}
	if value == nil {
		t.Fatalf("there is nothing at %v", path)
	}
	return value
}

func TestChartLints(t *testing.T) {
	for _, values := range []string{"least.yaml", "everything.yaml"} {
		if _, err := helm(t, "lint", "--strict", "lowcap-cdc", "-f", filepath.Join("testdata", values)); err != nil {
			t.Error(err)
		}
	}
}

func TestChartRendersWhatWasAskedFor(t *testing.T) {
	always := []string{"Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"}
	for values, want := range map[string][]string{
		"least.yaml":      always,
		"everything.yaml": append([]string{"ConfigMap", "PrometheusRule", "ServiceMonitor"}, always...),
	} {
		var got []string
		for kind := range render(t, values) {
			got = append(got, kind)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", values, got, want)
		}
	}
}

// Values that would give a deployment that cannot work, or a secret in plain sight, are refused before they are installed.
func TestWrongValuesAreRefused(t *testing.T) {
	for _, set := range []string{
		"postgres.dsn=", "postgres.dsn=postgres://cdc:secret@db/trading", "postgres.dsn=host=db password=secret",
		"kafka.brokers=null", "kafka.brokers[0]=kafka", "replicas=0", "replica=2", "slot=Not-A-Slot",
		"kafka.sasl.mechanism=plain", "kafka.sasl.mechanism=kerberos", "log.level=loud", "sizing.largestRowMB=0",
	} {
		out, err := helm(t, "template", "release", "lowcap-cdc", "-f", filepath.Join("testdata", "least.yaml"), "--set", set)
		if err == nil || !strings.Contains(err.Error(), "the schema") {
			t.Errorf("--set %s: %v; rendered %d bytes", set, err, len(out))
		}
	}
}

// TestMemoryLimitFollowsFromTheBound: 128 MB, 1.1 times the largest row, and 2 kB for each row; or what was asked for.
func TestMemoryLimitFollowsFromTheBound(t *testing.T) {
	for set, want := range map[string]string{
		"sizing.largestRowMB=64":                           "218Mi",
		"sizing.largestRowMB=200":                          "368Mi",
		"sizing.largestRowMB=1,sizing.knownRows=1000000":   "2129Mi",
		"resources.limits.cpu=1,sizing.largestRowMB=100":   "258Mi",
		"resources.limits.memory=1Gi,sizing.knownRows=300": "1Gi",
	} {
		limits := at(t, render(t, "least.yaml", "--set", set), "Deployment", "spec", "template", "spec", "containers", 0, "resources", "limits")
		if got := at(t, limits, "memory"); got != want {
			t.Errorf("--set %s: the limit is %v, want %s", set, got, want)
		}
	}
}

func TestChartSetsSettingsThatExist(t *testing.T) {
	help, err := exec.CommandContext(t.Context(), "go", "run", "lowcap-cdc/cmd/lowcap-cdc", "run", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, help)
	}
	for _, v := range at(t, container(t, "everything.yaml"), "env").([]any) {
		name := at(t, v, "name").(string)
		if strings.HasPrefix(name, "LOWCAP_") && !strings.Contains(string(help), "$"+name) {
			t.Errorf("there is no setting %s", name)
		}
	}
}

func container(t *testing.T, values string) any {
	t.Helper()
	return at(t, render(t, values), "Deployment", "spec", "template", "spec", "containers", 0)
}

// Every mounted volume exists, every volume is mounted, and every file that a setting names lies in a mount.
func TestSecretsArriveAsFiles(t *testing.T) {
	pod := at(t, render(t, "everything.yaml"), "Deployment", "spec", "template", "spec")
	var volumes, mounted, places []string
	for _, v := range at(t, pod, "volumes").([]any) {
		volumes = append(volumes, at(t, v, "name").(string))
		at(t, v, "secret", "secretName")
	}
	for _, m := range at(t, pod, "containers", 0, "volumeMounts").([]any) {
		mounted = append(mounted, at(t, m, "name").(string))
		places = append(places, at(t, m, "mountPath").(string))
	}
	slices.Sort(volumes)
	slices.Sort(mounted)
	if !slices.Equal(volumes, mounted) || len(volumes) != 4 {
		t.Errorf("volumes %v, mounts %v", volumes, mounted)
	}
	files := 0
	for _, v := range at(t, pod, "containers", 0, "env").([]any) {
		value, _ := v.(object)["value"].(string)
		if strings.HasPrefix(value, "/") {
			files++
			if !slices.Contains(places, filepath.Dir(value)) {
				t.Errorf("%v lies in no mount", v)
			}
		}
		if at(t, v, "name") == "PGPASSWORD" {
			at(t, v, "valueFrom", "secretKeyRef", "name")
		}
	}
	if files != 5 {
		t.Errorf("%d settings name files, want 5", files)
	}
}

func TestChartCarriesTheAlerts(t *testing.T) {
	content, err := os.ReadFile("../alerts/lowcap-cdc.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want object
	if err := yaml.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	got := at(t, render(t, "everything.yaml"), "PrometheusRule", "spec", "groups", 0, "rules").([]any)
	if rules := at(t, want, "groups", 0, "rules").([]any); len(got) != len(rules) {
		t.Errorf("%d rules, want %d", len(got), len(rules))
	}
	for _, r := range got {
		if url := at(t, r, "annotations", "runbook_url").(string); !strings.HasPrefix(url, "https://runbooks.example/lowcap-cdc.md#lowcapcdc") {
			t.Errorf("runbook_url %s", url)
		}
	}
}
