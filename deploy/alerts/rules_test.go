// Package alerts holds the Prometheus rules, and the tests that keep rules, runbook, dashboard and metrics together.
package alerts

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const (
	rulesFile     = "lowcap-cdc.rules.yaml"
	rulesTestFile = "lowcap-cdc.rules_test.yaml"
	runbook       = "docs/runbook.md"
)

type rule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal(read(t, rulesFile), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatalf("%s holds no rules", rulesFile)
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing; run: apt-get install prometheus")
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRulesFireAndStaySilent(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", rulesFile)
	promtool(t, "test", "rules", rulesTestFile)
}

// A rule whose tests only expect silence would pass with any expression.
func TestEachAlertIsSeenToFire(t *testing.T) {
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(read(t, rulesTestFile), &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.AlertRuleTest {
			fires[c.Alertname] = fires[c.Alertname] || len(c.ExpAlerts) > 0
			silent[c.Alertname] = silent[c.Alertname] || len(c.ExpAlerts) == 0
		}
	}
	for _, r := range rules(t) {
		if !fires[r.Alert] || !silent[r.Alert] {
			t.Errorf("%s: %s has no case in which it fires, or none in which it is silent", r.Alert, rulesTestFile)
		}
	}
}

func TestEachAlertHasARunbookSection(t *testing.T) {
	sections := headings(string(read(t, "../../"+runbook)))
	for _, r := range rules(t) {
		anchor, ok := strings.CutPrefix(r.Annotations["runbook_url"], runbook+"#")
		if !ok || anchor != strings.ToLower(r.Alert) {
			t.Errorf("%s: runbook_url is %q, want %s#%s", r.Alert, r.Annotations["runbook_url"], runbook, strings.ToLower(r.Alert))
		}
		body, ok := sections[r.Alert]
		if severity := r.Labels["severity"]; !ok || !strings.HasPrefix(strings.TrimSpace(body), "**"+severity+".**") {
			t.Errorf("%s: %s has no section that begins with **%s.**", r.Alert, runbook, severity)
		}
		delete(sections, r.Alert)
	}
	for left := range sections {
		t.Errorf("%s: section %q belongs to no alert", runbook, left)
	}
}

// headings returns what stands below each heading of the second level.
func headings(markdown string) map[string]string {
	found := make(map[string]string)
	for _, part := range strings.Split(markdown, "\n## ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		found[heading] = body
	}
	return found
}

var metric = regexp.MustCompile(`lowcap_cdc_[a-z_]+`)

func TestRulesUseMetricsThatExist(t *testing.T) {
	for _, r := range rules(t) {
		requireMetrics(t, r.Alert, r.Expr)
	}
}
