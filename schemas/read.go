package schemas

import (
	"encoding/json"
	"fmt"
	"strings"
)

// UnmarshalJSON keeps the value as it is written; null gives an empty Raw.
func (r *Raw) UnmarshalJSON(value []byte) error {
	*r = nil
	if !isNull(value) {
		*r = append(*r, value...)
	}
	return nil
}

// UnmarshalJSON keeps the digits as they are written; null gives an empty Number. A string is what JSON has no number
// for, such as NaN. Anything else is an error.
func (n *Number) UnmarshalJSON(value []byte) error {
	if value[0] != '"' && !isNull(value) {
		if !isNumber(string(value)) {
			return fmt.Errorf("read number: %s is not one", value)
		}
		*n = Number(value)
		return nil
	}
	text, err := readString(value)
	*n = Number(text)
	return err
}

// UnmarshalJSON reads a timestamp as it is written; null gives an empty Instant. It does not check the timestamp.
func (i *Instant) UnmarshalJSON(value []byte) error {
	text, err := readString(value)
	*i = Instant(text)
	return err
}

// UnmarshalJSON reads the data, whose entity is a position or a block: what has an id is a position. A decoder's
// DisallowUnknownFields does not reach into it.
func (e *HistoryMalformed) UnmarshalJSON(value []byte) error {
	var peek struct {
		Entity struct{ ID Text }
	}
	if err := json.Unmarshal(value, &peek); err != nil {
		return fmt.Errorf("read entity: %w", err)
	}
	e.Entity = &Position{}
	if peek.Entity.ID == nil {
		e.Entity = &Block{}
	}
	type plain HistoryMalformed // without this method
	return json.Unmarshal(value, (*plain)(e))
}

// newEntity returns the entity that events of a type are about, to read into.
func newEntity(t Type) Entity {
	family, _, _ := strings.Cut(t.Name(), ".")
	switch family {
	case "entry_block":
		return &Block{}
	case "table":
		return &Table{}
	case "stream":
		return &Stream{}
	}
	return &Position{}
}

func isNull(value []byte) bool { return string(value) == "null" }

// readString reads a JSON string, null as the empty one.
func readString(value []byte) (string, error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return "", fmt.Errorf("read string: %w", err)
	}
	return text, nil
}
