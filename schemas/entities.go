package schemas

import "strings"

// entitiesOf returns a pointer to a zero value of each entity that events of a type may have.
func entitiesOf(t Type) []Entity {
	name := t.Name()
	switch {
	case name == "history.malformed":
		return []Entity{&Position{}, &Block{}}
	case strings.HasPrefix(name, "entry_block."):
		return []Entity{&Block{}}
	case strings.HasPrefix(name, "table."):
		return []Entity{&Table{}}
	case strings.HasPrefix(name, "stream."):
		return []Entity{&Stream{}}
	}
	return []Entity{&Position{}}
}
