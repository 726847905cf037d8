package alerts

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// metrics returns the names in docs/metrics.md, which is written from what the sidecar serves, and in docs/alerting.md, which
// is compared with what notify serves.
func metrics(t *testing.T) []string {
	t.Helper()
	return named(t, "../../docs/metrics.md", "../../docs/alerting.md")
}

// named returns the metrics that documents name.
func named(t *testing.T, paths ...string) (names []string) {
	t.Helper()
	for _, path := range paths {
		rows := regexp.MustCompile("(?m)^\\| `(lowcap_cdc_[a-z_]+)` ").FindAllStringSubmatch(string(read(t, path)), -1)
		if len(rows) == 0 {
			t.Fatalf("%s names no metric", path)
		}
		for _, row := range rows {
			names = append(names, row[1])
		}
	}
	return names
}

// requireMetrics fails unless an expression names metrics, and each is one that the sidecar serves.
func requireMetrics(t *testing.T, place, expr string) {
	t.Helper()
	// docs/audit.md is compared with what audit compare serves.
	names, known := metric.FindAllString(expr, -1), append(metrics(t), named(t, "../../docs/audit.md")...)
	if len(names) == 0 {
		t.Errorf("%s: %q names no metric of the sidecar", place, expr)
	}
	for _, name := range names {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} { // of a histogram
			if base := strings.TrimSuffix(name, suffix); slices.Contains(known, base) {
				name = base
			}
		}
		if !slices.Contains(known, name) {
			t.Errorf("%s: there is no metric %s", place, name)
		}
	}
}
