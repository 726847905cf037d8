package settings

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// strange are texts that would do something to a terminal.
var strange = []string{
	"\x1b[2J",
	"\x1b]0;title\x07",
	"\u009b31m",
	"a\rb\nc",
	"\u202eexe.txt",
	"\x7f",
	"\u2028",
	"raw \x9b31m",
	"\U000E0001tag",
}

func isSafe(text string) bool { return utf8.ValidString(text) && strings.IndexFunc(text, isHidden) < 0 }

func TestPrintable(t *testing.T) {
	for _, text := range strange {
		if got := Printable(text); !isSafe(got) {
			t.Errorf("%q is printed as %q", text, got)
		}
		source, err := json.Marshal(map[string]string{"k": text})
		if err != nil {
			t.Fatal(err)
		}
		source = bytes.ReplaceAll(source, []byte(`\u2028`), []byte("\u2028"))
		var before, after any
		printed := PrintableJSON(source)
		if err := json.Unmarshal(source, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(printed, &after); err != nil || before.(map[string]any)["k"] != after.(map[string]any)["k"] ||
			!isSafe(string(printed)) {
			t.Errorf("%q: %q means something else (%v)", source, printed, err)
		}
	}
	for _, text := range []string{"", "plain", "ännä €", "日本語"} {
		if Printable(text) != text || OneLine(text) != text {
			t.Errorf("%q is changed", text)
		}
	}
	if got := OneLine("first\nsecond\n"); got != "first; second" {
		t.Errorf("%q", got)
	}
}

// TestConsoleLogIsPrintable: what a stranger writes stands in a log line as text.
func TestConsoleLogIsPrintable(t *testing.T) {
	for _, text := range strange {
		var out bytes.Buffer
		log := (&Settings{LogFormat: "console", LogLevel: "info"}).Logger(&out)
		log.Warn().Str("field", text).Msg(text)
		if line := strings.TrimSuffix(out.String(), "\n"); !isSafe(line) {
			t.Errorf("%q", line)
		}
	}
}
