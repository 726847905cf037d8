package schemas

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestStringsComeBack: whatever a string holds, its JSON is valid and reads as the string, broken UTF-8 replaced.
func TestStringsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.SampledFrom([]string{`"`, `\`, "\n", "\x00", "\x1f", "\xff", "plain text ", "ü", "\u2028"})
		pieces := rapid.SliceOf(rapid.OneOf(rapid.String(), odd)).Draw(t, "pieces")
		s := strings.Join(pieces, "")
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil {
			t.Fatalf("%q gives %s: %v", s, appendString(nil, s), err)
		}
		if want := string([]rune(s)); back != want {
			t.Fatalf("%q comes back as %q", s, back)
		}
	})
}
