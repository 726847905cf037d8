package settings

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Hidden keeps values out of what is printed about a wrong command line. They come from the configuration file and the
// environment, where a secret may stand under a wrong name.
type Hidden struct{ values []string }

// leastHidden is the length from which on a value is hidden; shorter ones are parts of ordinary words.
const leastHidden = 4

// NewHidden hides the values of our environment variables.
func NewHidden() *Hidden {
	h := &Hidden{}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "LOWCAP_CDC_") {
			h.add(value)
		}
	}
	return h
}

var words = regexp.MustCompile(`[^\s"'\[\]{},:]+`)

// addText hides every word of a file that is not YAML.
func (h *Hidden) addText(content string, keys []string) {
	for _, word := range append(words.FindAllString(content, -1), strings.Fields(content)...) {
		if word = strings.TrimSuffix(word, ":"); !slices.Contains(keys, word) {
			h.add(word)
		}
	}
}

// addValue hides everything in a value of a file.
func (h *Hidden) addValue(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			h.add(key)
			h.addValue(inner)
		}
	case []any:
		for _, inner := range v {
			h.addValue(inner)
		}
	case nil, bool:
	default:
		h.add(fmt.Sprint(v))
	}
}

func (h *Hidden) add(value string) {
	if len(value) >= leastHidden {
		h.values = append(h.values, value)
	}
}

// Explain says what is wrong with a command line or a configuration file, without the values that are hidden.
func Explain(err error, h *Hidden) string {
	if unknown := new(unknownKey); errors.As(err, &unknown) {
		return unknown.Error() // which repeats nothing but a name
	}
	return h.in(err.Error())
}

// in returns a text without the values.
func (h *Hidden) in(text string) string {
	slices.SortFunc(h.values, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // the longest first
	for _, value := range h.values {
		text = strings.ReplaceAll(text, value, "(not shown)")
	}
	return text
}
