package main

import (
	"slices"
	"strings"
	"testing"
)

// TestFlagsBeforeTheVerbOfAudit: flags may stand before and behind what is to be audited.
func TestFlagsBeforeTheVerbOfAudit(t *testing.T) {
	for line, want := range map[string]string{
		"audit WIF --since 1d":                  "audit WIF --since 1d",
		"audit --since 1d WIF":                  "audit token --since 1d WIF",
		"--sink x audit --format json WIF":      "--sink x audit token --format json WIF",
		"audit --json at 3 WIF":                 "audit at --json 3 WIF",
		"audit --sink x verify":                 "audit verify --sink x",
		"audit --json --sink=x verify":          "audit verify --json --sink=x",
		"audit --slot seal WIF":                 "audit token --slot seal WIF",
		"audit --help":                          "audit --help",
		"audit --sink x verify --help":          "audit verify --sink x --help",
		"audit":                                 "audit",
		"tail --token audit":                    "tail --token audit",
		"audit token --from 1d verify":          "audit token --from 1d verify",
		"audit --kafka-tls compare --every=1h":  "audit compare --kafka-tls --every=1h",
		"audit --postgres=x --sink y at 0/16B3": "audit at --postgres=x --sink y 0/16B3",
	} {
		if got := withVerb(strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: got %s, want %s", line, strings.Join(got, " "), want)
		}
	}
}
