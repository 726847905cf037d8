package monitor

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"lowcap-cdc/cmd/lowcap-cdc/internal/golden"
)

// gather returns what is served as Prometheus' own parser reads it, sorted by name.
func gather(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(New("test").metrics.registry.Text()))
	if err != nil {
		t.Fatal(err)
	}
	return slices.SortedFunc(maps.Values(families), func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
}

// TestMetricsReference writes docs/metrics.md from the registry and compares it with what is there.
func TestMetricsReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(
		"# Metrics\n\nServed at `/metrics` of `--http`. Written by `go test ./cmd/lowcap-cdc/internal/monitor -run TestMetricsReference -update`.\n" +
			"Besides these there are the usual `go_*` and `process_*`.\n\n| name | kind | labels | |\n|---|---|---|---|\n",
	)
	for _, f := range gather(t) {
		if strings.HasPrefix(f.GetName(), prefix) {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), labels(f), f.GetHelp())
		}
	}
	golden.Compare(t, "../../../../docs/metrics.md", b.String())
}

// labels lists the label names of a metric, and the values of those that have few.
func labels(f *dto.MetricFamily) string {
	values := make(map[string][]string)
	var names []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(names, l.GetName()) {
				names = append(names, l.GetName())
			}
			if !slices.Contains(values[l.GetName()], l.GetValue()) {
				values[l.GetName()] = append(values[l.GetName()], l.GetValue())
			}
		}
	}
	for i, name := range names {
		names[i] = "`" + name + "`"
		if v := values[name]; len(v) > 1 && len(v) < 10 {
			names[i] += " (" + strings.Join(v, ", ") + ")"
		}
	}
	return cmp.Or(strings.Join(names, ", "), "–")
}

// TestPromtool lets Prometheus' own tool judge the names, units and help texts.
func TestPromtool(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	cmd.Stdin = bytes.NewReader(New("test").metrics.registry.Text())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v (apt-get install prometheus): %s", err, out)
	}
}
