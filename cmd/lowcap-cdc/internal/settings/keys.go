package settings

import (
	"cmp"
	"fmt"
	"io"
	"reflect"
	"strings"

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
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	values, lines := make(map[string]any), make(map[string]int)
	if err := yaml.Unmarshal(content, &values); err != nil {
		hidden.addText(string(content), known)
		return nil, fmt.Errorf("read configuration file: %s", yaml.FormatError(err, false, false))
	}
	for _, value := range values {
		hidden.addValue(value)
	}
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		return nil, fmt.Errorf("read configuration file: %w", err)
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
		if key := flag.Tag.Get("file"); key != "" {
			return values[key], nil
		}
		return values[flag.Name], nil
	}
	return resolve, nil
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
