package decode

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// postgresString spells a text as Postgres does (escape_json).
func postgresString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		if at := strings.IndexByte(meant, text[i]); at >= 0 {
			b.WriteString(`\` + spelled[at:at+1])
		} else if text[i] < ' ' {
			fmt.Fprintf(&b, `\u%04x`, text[i])
		} else {
			b.WriteByte(text[i])
		}
	}
	return b.String() + `"`
}

// otherString spells it as Python and Go do.
func otherString(text string) string {
	quoted, _ := json.Marshal(text) //nolint:errcheck // a string always marshals
	return strings.ReplaceAll(string(quoted), "é", `\u00e9`)
}

// TestDecodedInPlace: whatever was encoded, however often and by whom, is found; what holds no object is as it was.
func TestDecodedInPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{`{"a": "é\"\\\u0001 \ud83d\ude00"}`, `{}`, ` {"b": [{}]} `, `[1]`, `"x"`, `1`, `{"c"`, ``, "\x01\x1f\x7f/"}).Draw(t, "text")
		if rapid.Bool().Draw(t, "any") {
			text = rapid.String().Draw(t, "a text")
		}
		plain := json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimSpace(text), "{")
		encodings := rapid.IntRange(1, maxEncodings+1).Draw(t, "encodings")
		quoted := text
		for range encodings {
			spell := rapid.SampledFrom([]func(string) string{postgresString, postgresString, otherString}).Draw(t, "spelling")
			quoted = spell(quoted) + rapid.SampledFrom([]string{"", " \n"}).Draw(t, "space")
		}
		document := []byte(quoted)
		got := object(document)
		if plain && encodings <= maxEncodings {
			if strings.TrimSpace(string(got)) != strings.TrimSpace(text) || strings.TrimSpace(string(document)) != strings.TrimSpace(text) {
				t.Fatalf("%s: got %q, and %q stands there", quoted, got, document)
			}
			return
		}
		if !isObjectWithin(text, encodings) && (got != nil || string(document) != quoted) {
			t.Fatalf("%s: got %q, and %q stands there", quoted, got, document)
		}
	})
}

// isObjectWithin reports whether a drawn text is itself an encoded object.
func isObjectWithin(text string, encodings int) bool {
	for ; encodings <= maxEncodings; encodings++ {
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			return json.Valid([]byte(text))
		}
		var inner string
		if json.Unmarshal([]byte(text), &inner) != nil {
			return false
		}
		text = inner
	}
	return false
}

// TestSecondReading: what was decoded where it stood says the same again.
func TestSecondReading(t *testing.T) {
	for _, document := range []string{
		postgresString(`{"uptrend_engine_v4": {"a": 1}, "pm_execution_history": {"x": "\""}, "shadow_entry_data": []}`),
		`{"uptrend_engine_v4": {"a": 1}, "pm_execution_history": ` + postgresString(`{"x": "\""}`) + `, "shadow_entry_data": []}`,
		`{"uptrend_engine_v4": ` + postgresString(postgresString(`{"a": 1}`)) + `, "pm_execution_history": {"x": "\""}}`,
	} {
		text := []byte(document)
		for i := range 2 {
			f, err := ParseFeatures(text)
			if err != nil || string(f.History) != `{"x": "\""}` || string(f.Engine) != `{"a": 1}` || f.DoubleEncoded != (i == 0) {
				t.Errorf("%s, time %d: %q, %q, %v, %v", document, i, f.History, f.Engine, f.DoubleEncoded, err)
			}
		}
	}
	if f, _ := ParseFeatures([]byte(postgresString(`{"pm_execution_history": 1, "shadow_entry_data": [1]}`))); string(f.Shadow) != `[1]` {
		t.Errorf("shadow is %q", f.Shadow)
	}
}

// TestDecodingTakesNoMemory: a large document is decoded without a copy of it.
func TestDecodingTakesNoMemory(t *testing.T) {
	for name, text := range map[string]string{
		"object":    `{"a": "` + strings.Repeat(`x\"`, 1<<20) + `"}`,
		"no object": `["` + strings.Repeat(`x\"`, 1<<20) + `"]`,
	} {
		document := []byte(postgresString(postgresString(text)))
		if r := testing.Benchmark(func(b *testing.B) {
			fresh := make([]byte, len(document))
			for b.Loop() {
				copy(fresh, document)
				object(fresh)
			}
		}); r.AllocedBytesPerOp() > 1<<20 {
			t.Errorf("%s: %d bytes allocated for %d", name, r.AllocedBytesPerOp(), len(document))
		}
	}
}
