package cdc

import (
	"strings"
	"testing"

	"lowcap-cdc/schemas"
)

// TestEveryTypeIsExpectedSomewhere: no event type without a fixture or a case of a table test that expects it.
func TestEveryTypeIsExpectedSomewhere(t *testing.T) {
	// snapshot_test.go has these two: they need more than one snapshot.
	expected := map[string]bool{"table.missing": true, "table.present": true}
	for _, path := range []string{"testdata/contract.json", "testdata/own.json"} {
		for _, f := range readFixtures(t, path).Fixtures {
			for _, e := range f.Expect {
				expected[schemas.Type(e.Type).Name()] = true
			}
		}
	}
	for _, c := range rowCases() {
		note(expected, c.want)
	}
	for _, c := range reconcileCases() {
		note(expected, c.want)
	}
	for _, a := range adoptions() {
		note(expected, a.want)
	}
	for _, steps := range stories() {
		for _, of := range steps {
			for _, line := range strings.Split(of.want, "\n") {
				name, _, _ := strings.Cut(strings.TrimSpace(line), "[")
				note(expected, name)
			}
		}
	}
	for _, kind := range schemas.Kinds() {
		if !expected[kind.Type.Name()] {
			t.Errorf("%s: no fixture of testdata, no story and no case of rowCases or reconcileCases expects it", kind.Type)
		}
	}
}

func note(expected map[string]bool, names string) {
	for _, name := range strings.Fields(names) {
		expected[name] = true
	}
}
