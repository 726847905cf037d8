package settings

import (
	"fmt"
	"path"

	"lowcap-cdc/schemas"
)

// TopicsOf returns the topics of the types that match any of the globs; nil, which means all, without globs.
func TopicsOf(globs []string) ([]string, error) {
	topics := make(map[string]bool)
	for _, glob := range globs {
		found := false
		for _, k := range schemas.Kinds() {
			if matchesType(glob, k.Type) {
				topics[k.Topic], found = true, true
			}
		}
		if !found {
			return nil, Usage(fmt.Errorf("no event type matches %q; the types are in README.md, e.g. emergency_exit.* or *.reverted", glob))
		}
	}
	var list []string
	for topic := range topics {
		list = append(list, topic)
	}
	return list, nil
}

// matchesType reports whether a type's name, or the whole type, matches a glob.
func matchesType(glob string, t schemas.Type) bool {
	name, err := path.Match(glob, t.Name())
	whole, _ := path.Match(glob, string(t))
	return err == nil && (name || whole)
}

// MatchesAny reports whether a type matches any of the globs; every type does without globs.
func MatchesAny(globs []string, t schemas.Type) bool {
	for _, glob := range globs {
		if matchesType(glob, t) {
			return true
		}
	}
	return len(globs) == 0
}
