package alerts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr string }
	FieldConfig struct{ Defaults struct{ Unit string } }
}

func dashboard(t *testing.T) []panel {
	t.Helper()
	var d struct{ Panels []panel }
	if err := json.Unmarshal(read(t, "../grafana/dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	return d.Panels
}

func TestDashboardShowsEachMetricAndNoOther(t *testing.T) {
	var shown strings.Builder
	for _, p := range dashboard(t) {
		for _, target := range p.Targets {
			requireMetrics(t, "panel "+p.Title, target.Expr)
			shown.WriteString(target.Expr + "\n")
		}
	}
	for _, name := range metrics(t) {
		if !strings.Contains(shown.String(), name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// Prometheus itself says whether a panel's expression is one: each becomes a recording rule.
func TestDashboardExpressionsParse(t *testing.T) {
	type record struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	fill := strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*", "$job", ".*")
	var records []record
	for _, p := range dashboard(t) {
		for _, target := range p.Targets {
			records = append(records, record{"panel", fill.Replace(target.Expr)})
		}
	}
	file, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": records}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}

func TestDashboardPanelsAreReadable(t *testing.T) {
	ids := make(map[int]bool)
	panels := dashboard(t)
	for i, p := range panels {
		if ids[p.ID] {
			t.Errorf("panel %q: id %d is there twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Description == "" || p.FieldConfig.Defaults.Unit == "") {
			t.Errorf("panel %q has no description or no unit", p.Title)
		}
		for _, q := range panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", p.Title, q.Title)
			}
		}
	}
}
