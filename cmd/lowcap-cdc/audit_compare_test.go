package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCompareMetricsAreDocumented holds docs/audit.md, by which the alert rules are checked, against what is served.
func TestCompareMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	names := func(pattern, text string) (list []string) {
		for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			list = append(list, found[1])
		}
		slices.Sort(list)
		return list
	}
	got := names("(?m)^\\| `(lowcap_cdc_[a-z_]+)` ", string(text))
	want := names(`(?m)^# TYPE (\S+) `, string(newCompareMetrics().registry.Text()))
	if !slices.Equal(got, want) {
		t.Errorf("docs/audit.md names %q, served are %q", got, want)
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		n, of int
		want  string
	}{
		{0, 10, strings.Repeat(".", barWidth)},
		{5, 10, strings.Repeat("#", 15) + strings.Repeat(".", 15)},
		{10, 10, strings.Repeat("#", barWidth)},
		{0, 0, strings.Repeat("#", barWidth)},
	} {
		if got := bar(c.n, c.of); got != "["+c.want+"]" {
			t.Errorf("%d of %d: %s", c.n, c.of, got)
		}
	}
}
