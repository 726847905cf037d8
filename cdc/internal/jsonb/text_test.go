package jsonb

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPieces: the pieces of a string are together what it says, wherever they end.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{`x`, `é`, `\"`, `\\`, `\n`, `\u0041`, `\ud83d\ude00`, `\\u0041`, `\u00e9\ud83d\ude00`, `\\\"`}).Draw(t, "part")
		text := `"` + strings.Repeat("y", rapid.IntRange(0, 13).Draw(t, "in front")) + strings.Repeat(part, 3*pieceSize/len(part)) + `"`
		var want string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		pieces := 0
		for piece := range Text(text).Pieces {
			got.Write(piece)
			pieces++
		}
		if got.String() != want || pieces < 3 {
			t.Fatalf("%d pieces of %q are not what it says", pieces, part)
		}
	})
}

// TestLookup: of several members with one name the last is found, however the name is spelled.
func TestLookup(t *testing.T) {
	object := Text(`{"a": 1, "\u0062": {"a": 2}, "a" : [3] , "c": null}`)
	for name, want := range map[string]string{"a": "[3]", "b": `{"a": 2}`, "c": "null", "d": ""} {
		if got := string(Lookup(object, name)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { Lookup(object[:8], "a") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
