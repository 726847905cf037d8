package settings

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Loader returns the reader of a configuration file: a YAML mapping from flag names to values. Its keys are the flags of
// the settings and of the given structs, by their file tag where they have one (- is for not in a file), and the keys that
// one verb reads by itself. An unknown key is an error that names the nearest flag, because a misspelt setting that is
// silently ignored costs money. What the file holds is hidden in errors.
func Loader(hidden *Hidden, keys []string, more ...reflect.Type) kong.ConfigurationLoader {
	known := append(flagNames(append(more, reflect.TypeFor[Settings]())...), keys...)
	return func(r io.Reader) (kong.Resolver, error) { return loadFile(r, known, hidden) }
}

func loadFile(r io.Reader, known []string, hidden *Hidden) (kong.Resolver, error) {
	content, err := io.ReadAll(io.LimitReader(r, longestFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > longestFile {
		return nil, fmt.Errorf("read configuration file: it has more than %d bytes", longestFile)
	}
	content = bytes.TrimPrefix(content, []byte("\uFEFF")) // some editors begin a file so
	if opening := bytes.IndexFunc(content, func(r rune) bool { return r == 0 || r == utf8.RuneError }); opening >= 0 {
		return nil, fmt.Errorf("read configuration file: it is no text in UTF-8 at byte %d", opening)
	}
	if deep := bytes.Count(content, []byte("[")) + bytes.Count(content, []byte("{")); deep > mostNested {
		return nil, fmt.Errorf("read configuration file: it has more than %d lists and mappings in one line", mostNested)
	}
	file, err := parser.ParseBytes(content, 0)
	if err == nil {
		err = checkDocuments(file)
	}
	values, lines := make(map[string]any), make(map[string]int)
	if err == nil {
		err = yaml.Unmarshal(content, &values)
	}
	if err != nil {
		hidden.addText(string(content), known)
		return nil, fmt.Errorf("read configuration file: %s", yaml.FormatError(err, false, false))
	}
	for _, value := range values {
		hidden.addValue(value)
	}
	for _, doc := range file.Docs {
		if m, ok := doc.Body.(*ast.MappingNode); ok {
			for _, v := range m.Values {
				lines[v.Key.GetToken().Value] = v.Key.GetToken().Position.Line
			}
		}
	}
	if err := checkKeys(values, lines, known); err != nil {
		return nil, err
	}
	var resolve kong.ResolverFunc = func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		key := cmp.Or(flag.Tag.Get("file"), flag.Name)
		value := values[key]
		if isInEnvironment(flag.Envs) {
			return nil, nil // which comes before the file; the parser would take them the other way round
		}
		if _, isText := value.(string); value != nil && !isText && flag.Target.Kind() == reflect.String {
			return nil, fmt.Errorf("configuration file, line %d: %s takes a text; put the value in quotes", lines[key], key)
		}
		return value, nil
	}
	return resolve, nil
}

func isInEnvironment(variables []string) bool {
	for _, name := range variables {
		if _, is := os.LookupEnv(name); is {
			return true
		}
	}
	return false
}

// secrets are variables that protect something by having a value: an empty one is a value that somebody forgot.
var secrets = []string{"HTTP_TOKEN", "SECRET"}

// CheckEnvironment reports a variable that is nearly one of ours: it is misspelt, and would be ignored in silence. So would be a
// secret that is empty.
func CheckEnvironment(known []string) error {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		given, ours := strings.CutPrefix(name, "LOWCAP_CDC_")
		if !ours {
			continue
		}
		if slices.Contains(secrets, given) && os.Getenv(name) == "" {
			return fmt.Errorf("the environment has %s, and it is empty: nothing would be protected by it; give it a value, or take it out", name)
		}
		if yes, isNo := strings.CutPrefix(given, "NO_"); isNo && slices.Contains(known, "LOWCAP_CDC_"+yes) {
			return fmt.Errorf("the environment has %s, which is no setting; set LOWCAP_CDC_%s=false", name, yes)
		}
		if slices.Contains(known, name) {
			continue
		}
		for _, right := range known {
			if want := strings.TrimPrefix(right, "LOWCAP_CDC_"); len(want) > 3 && editDistance(given, want) <= 2 {
				return fmt.Errorf("the environment has %s, which is no setting; did you mean %s?", name, right)
			}
		}
	}
	return nil
}

const (
	longestFile = 256 << 10 // bytes
	mostNested  = 1000
	mostAliases = 100
)

// checkDocuments refuses a second document, which nobody would read, and aliases that multiply: within what another alias repeats,
// or more than anybody writes.
func checkDocuments(file *ast.File) error {
	documents := 0
	var walk aliases
	for _, doc := range file.Docs {
		if doc.Body != nil {
			documents++
			ast.Walk(&walk, doc.Body)
		}
	}
	switch {
	case documents > 1:
		return errors.New("it holds more than one document; leave out the line ---")
	case walk.nested || walk.count > mostAliases:
		return fmt.Errorf("its aliases (*name) repeat one another, or are more than %d", mostAliases)
	}
	return nil
}

// aliases counts the aliases below a node.
type aliases struct {
	count  int
	nested bool // one is below an anchor
}

// Visit implements ast.Visitor.
func (a *aliases) Visit(node ast.Node) ast.Visitor {
	switch n := node.(type) {
	case *ast.AliasNode:
		a.count++
	case *ast.AnchorNode:
		var below aliases
		ast.Walk(&below, n.Value)
		a.nested = a.nested || below.count > 0 || below.nested
		a.count += below.count
		return nil
	}
	return a
}

func checkKeys(values map[string]any, lines map[string]int, known []string) error {
	for key := range values {
		near, distance := "", len(key)
		for _, name := range known {
			if d := editDistance(key, name); d < distance || near == "" {
				near, distance = name, d
			}
		}
		if distance > 0 {
			return &unknownKey{lines[key], key, near}
		}
	}
	return nil
}

// unknownKey is a key of the configuration file that is no flag.
type unknownKey struct {
	line      int
	key, near string
}

func (e *unknownKey) Error() string {
	return fmt.Sprintf("configuration file, line %d: unknown key%s; did you mean %q?", e.line, repeated(e.key), e.near)
}

// flagNames returns the flag names of structs as kong derives them.
func flagNames(types ...reflect.Type) []string {
	var names []string
	for _, t := range types {
		for i := range t.NumField() {
			f := t.Field(i)
			name := cmp.Or(f.Tag.Get("file"), f.Tag.Get("name"), dashed(f.Name))
			if name != "config" && name != "-" && !f.Anonymous && f.IsExported() {
				names = append(names, name)
			}
		}
	}
	return names
}

// dashed turns TopicPrefix into topic-prefix.
func dashed(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// editDistance is the Levenshtein distance.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
