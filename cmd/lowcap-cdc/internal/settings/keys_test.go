package settings

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// parseFile reads a configuration file as a verb does.
func parseFile(content string) (slot string, err error) {
	var c struct{ Settings }
	load := Loader(NewHidden(), nil, reflect.TypeFor[Settings]())
	resolver, err := load(strings.NewReader(content))
	if err != nil {
		return "", err
	}
	parser, err := kong.New(&c, kong.DefaultEnvars("LOWCAP_CDC"), kong.Resolvers(resolver))
	if err != nil {
		return "", err
	}
	_, err = parser.Parse(nil)
	return c.Slot, err
}

// TestHostileFiles: whatever stands in the file, the answer comes at once, in one line, and repeats no value.
func TestHostileFiles(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [sesame]\n")
	for i := range 20 {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9), i)
	}
	for name, c := range map[string]struct{ content, want string }{
		"nothing":         {"", ""},
		"a comment":       {"# slot: x\n", ""},
		"CRLF":            {"slot: x\r\n", ""},
		"a mark of UTF-8": {"\uFEFFslot: x\n", ""},
		"an alias":        {"slot: &s x\npublication: *s\n", ""},
		"a list":          {"- sesame\n", "mapping is expected"},
		"a text":          {"sesame", "mapping is expected"},
		"two documents":   {"slot: x\n---\nslot: sesame\n", "more than one document"},
		"a key twice":     {"slot: x\nslot: sesame\n", "already defined"},
		"another case":    {"Slot: sesame\n", `did you mean "slot"`},
		"a number":        {"slot: 017\n", "line 1: slot takes a text; put the value in quotes"},
		"a list of texts": {"slot: [sesame]\n", "slot takes a text"},
		"UTF-16":          {"\xff\xfes\x00l\x00", "no text in UTF-8"},
		"zeros":           {strings.Repeat("\x00", 1000), "no text in UTF-8"},
		"50 MB":           {strings.Repeat("a", 50<<20), "more than"},
		"deep":            {"slot: " + strings.Repeat("[", 100_000), "more than"},
		"a bomb":          {bomb.String(), "aliases"},
		"many aliases":    {"slot: &s x\npublication: [" + strings.Repeat("*s,", 1000) + "*s]\n", "aliases"},
	} {
		begun := time.Now()
		_, err := parseFile(c.content)
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "sesame")) {
			t.Errorf("%s: %q", name, err)
		}
	}
}

// TestEnvironmentComesBeforeTheFile, as a deployment changes one setting of an image's file.
func TestEnvironmentComesBeforeTheFile(t *testing.T) {
	if slot, err := parseFile("slot: file"); err != nil || slot != "file" {
		t.Errorf("%q, %v", slot, err)
	}
	t.Setenv("LOWCAP_CDC_SLOT", "environment")
	if slot, err := parseFile("slot: file"); err != nil || slot != "environment" {
		t.Errorf("%q, %v", slot, err)
	}
}

// TestMisspeltVariables: a variable that is nearly one of ours is an error; those that Kubernetes makes are not.
func TestMisspeltVariables(t *testing.T) {
	known := []string{"LOWCAP_CDC_SLOT", "LOWCAP_CDC_KAFKA_PASSWORD", "LOWCAP_CDC_HTTP", "LOWCAP_CDC_TO", "LOWCAP_CDC_RECONCILE"}
	for name, misspelt := range map[string]bool{"LOWCAP_CDC_SLTO": true, "LOWCAP_CDC_KAFKA_PASWORD": true, "LOWCAP_CDC_SLOT": false,
		"LOWCAP_CDC_NO_RECONCILE": true, "LOWCAP_CDC_NO_OTHER": false,
		"LOWCAP_CDC_PORT": false, "LOWCAP_CDC_PORT_9187_TCP": false, "LOWCAP_CDC_SERVICE_HOST": false, "LOWCAP_CDC_FAILPOINT": false} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "sesame")
			if err := CheckEnvironment(known); (err != nil) != misspelt || (err != nil && strings.Contains(err.Error(), "sesame")) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestEmptySecrets: a token that was forgotten leaves the page open to everybody, and no one would notice.
func TestEmptySecrets(t *testing.T) {
	for name, good := range map[string]bool{"LOWCAP_CDC_HTTP_TOKEN": false, "LOWCAP_CDC_SECRET": false, "LOWCAP_CDC_HTTP": true, "LOWCAP_CDC_KAFKA_PASSWORD": true} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "")
			if err := CheckEnvironment([]string{name}); (err == nil) != good {
				t.Errorf("error %v", err)
			}
		})
	}
}
