package jsonb

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

// plainCanonical is the canonical form made the straightforward way, on gjson. Images hold digests of it, so it may
// never change.
func plainCanonical(v gjson.Result, s Shape) string {
	switch {
	case v.Type == gjson.Number:
		d, _ := ParseDecimal([]byte(v.Raw))
		return "#" + string(d.AppendNormal(nil))
	case v.Type == gjson.String:
		return `"` + sized(v.Str)
	case v.IsObject():
		return plainCanonicalObject(v, s)
	case v.IsArray():
		form := "["
		v.ForEach(func(_, element gjson.Result) bool {
			form += "," + plainCanonical(element, Plain)
			return true
		})
		return form + "]"
	}
	return v.Raw
}

func plainCanonicalObject(v gjson.Result, s Shape) string {
	last := make(map[string]gjson.Result)
	v.ForEach(func(name, member gjson.Result) bool {
		last[name.Str] = member
		return true
	})
	var names []string
	for name, member := range last {
		if member.Type != gjson.Null && (s != Pool || !isPlainDefault(name, member)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	form := "{"
	for _, name := range names {
		if at, _, ok := ParseInstant(last[name].Str); ok && s == Timed && name == TimestampField {
			form += sized(name) + string(binary.AppendVarint([]byte{'@'}, int64(at)))
			continue
		}
		form += sized(name) + plainCanonical(last[name], Plain)
	}
	return form + "}"
}

func isPlainDefault(name string, member gjson.Result) bool {
	if name == "recovery_started" {
		return member.Type == gjson.False
	}
	return (name == "usd_basis" || name == "dx_count") && member.Type == gjson.Number && member.Num == 0
}

func sized(s string) string { return string(binary.AppendUvarint(nil, uint64(len(s)))) + s }

// drawJSON draws a value in any spelling. Names come from a few, so that some come twice.
func drawJSON(t *rapid.T, depth int) string {
	kinds := []string{"null", "true", "false", "0", "0.0", "number", "string", "timestamp", "object", "array"}
	if depth == 0 {
		kinds = kinds[:8]
	}
	blank := rapid.SampledFrom([]string{"", " ", "\n\t "}).Draw(t, "blank")
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "number":
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,6})?([eE][-+]?[0-9]{1,2})?`).Draw(t, "number")
	case "string":
		return drawString(t, rapid.String().Draw(t, "string"))
	case "timestamp":
		return `"2026-01-01T00:00:0` + rapid.SampledFrom([]string{`1Z"`, `1+00:00"`, `1.0"`, `2Z"`, `"`}).Draw(t, "timestamp")
	case "object":
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "usd_basis", "dx_count", "recovery_started", "timestamp", "\u00e9\"", ""}), 0, 14).
			Draw(t, "names")
		for i, name := range names {
			names[i] = drawString(t, name) + blank + ":" + blank + drawJSON(t, depth-1)
		}
		return "{" + blank + strings.Join(names, blank+","+blank) + blank + "}"
	case "array":
		elements := make([]string, rapid.IntRange(0, 3).Draw(t, "length"))
		for i := range elements {
			elements[i] = drawJSON(t, depth-1)
		}
		return "[" + blank + strings.Join(elements, blank+","+blank) + blank + "]"
	default:
		return kind
	}
}

// drawString spells a string with all letters escaped or with those that must be.
func drawString(t *rapid.T, s string) string {
	if rapid.Bool().Draw(t, "escaped") {
		escaped := ""
		for _, r := range s {
			if r < 1<<16 {
				escaped += fmt.Sprintf(`\u%04x`, r)
			}
		}
		return `"` + escaped + `"`
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCanonical compares the canonical form with the one made the straightforward way.
func TestCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawJSON(t, 3)
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s is not valid", text)
		}
		got, err := AppendCanonical(nil, Text(text))
		if want := plainCanonical(gjson.Parse(text), Plain); err != nil || string(got) != want {
			t.Fatalf("%s: got %q (%v), want %q", text, got, err, want)
		}
		text = `{"recovery_started": ` + text + `, "timestamp": ` + drawJSON(t, 1) + `}`
		for _, s := range []Shape{Plain, Timed, Pool} {
			got, err := AppendCanonicalObject(nil, AppendMembers(nil, Text(text)), s)
			if want := plainCanonical(gjson.Parse(text), s); err != nil || string(got) != want {
				t.Fatalf("%s in Shape %d: got %q (%v), want %q", text, s, got, err, want)
			}
		}
	})
}

// TestDeepAndHuge: what would take a machine down is refused.
func TestDeepAndHuge(t *testing.T) {
	for text, ok := range map[string]bool{
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000):           true,
		strings.Repeat("[", 1002) + strings.Repeat("]", 1002):           false,
		strings.Repeat(`{"a":`, 1002) + "1" + strings.Repeat("}", 1002): false,
		`{"a": [1e999999999]}`: false,
		"1e10":                 true,
	} {
		if _, err := AppendCanonical(nil, Text(text)); (err == nil) != ok {
			t.Errorf("%.20s of %d bytes: %v", text, len(text), err)
		}
	}
}

// TestMembersOfValue: of several members with one name the last is read, and the values are the same whatever is
// around them.
func TestMembersOfValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawJSON(t, 2)
		if !Text(text).IsObject() {
			text = `{"a": ` + text + `}`
		}
		members := AppendMembers(nil, Text(text))
		for _, name := range []string{"a", "b", "timestamp", "none"} {
			want := ""
			gjson.Parse(text).ForEach(func(key, v gjson.Result) bool {
				if key.Str == name {
					want = v.Raw
				}
				return true
			})
			if got := string(Find(members, name)); got != want {
				t.Fatalf("%s of %s: got %s, want %s", name, text, got, want)
			}
		}
	})
}
