package cdc

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestOneSpelling compares the short way to a number's one spelling with the way over the number.
func TestOneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,4})(\.[0-9]{1,6})?([eE][-+]?[0-9]{1,2})?`).Draw(t, "number")
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s is no JSON number", text)
		}
		d, ok := parseDecimal([]byte(text))
		short, shortOK := appendNumber(nil, []byte(text))
		if ok != shortOK || string(short) != string(d.appendNormal(nil)) {
			t.Fatalf("%s is spelled %s %v, want %s %v", text, short, shortOK, d.appendNormal(nil), ok)
		}
		if whole := !strings.Contains(string(short), "."); isInRange([]byte(text)) != ok || isWhole([]byte(text)) != whole {
			t.Fatalf("%s: in range %v, whole %v", text, isInRange([]byte(text)), isWhole([]byte(text)))
		}
	})
}
