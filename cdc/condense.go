package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// A history has about 1 KB. Nobody bounds it, and an image of any size would fit neither the memory nor a state topic.
const (
	maxHistory = 8 << 20   // bytes of a history that is compared and kept whole
	maxRecord  = 512 << 10 // bytes of a record in a larger one that is kept whole
	maxOthers  = 2 << 20   // bytes of unknown keys in a larger one that are kept, together
)

// condense returns what is judged of a history that is too large: its records with the fields that are known, and the first
// of its unknown keys. The same history always gives the same.
func condense(history []byte) []byte {
	dst, others := []byte{'{'}, 0
	for m := decode.MembersOf(history); m.Next(); {
		name, value := m.Name, m.Value()
		if k, known := keyNamed(name); known {
			value = k.condense(value)
		} else if others+len(name)+len(value) > maxOthers {
			continue
		} else {
			others += len(name) + len(value)
		}
		if len(dst) > 1 {
			dst = append(dst, ", "...)
		}
		dst = append(append(append(dst, name...), ": "...), value...)
	}
	return append(dst, '}')
}

// condense returns a key's value, of a large one only what the contract knows.
func (k key) condense(value []byte) []byte {
	if len(value) <= maxRecord {
		return value
	}
	switch {
	case jsonb.Text(value).IsString():
		return jsonb.Quote(shortenString(value, maxText))
	case !jsonb.Text(value).IsObject():
		return []byte("[]") // it is malformed as a whole, whatever is in it
	}
	dst := []byte{'{'}
	for _, m := range jsonb.AppendMembers(nil, value) {
		if !k.isField(string(m.Name)) {
			continue
		}
		if len(m.Value) > maxText {
			m.Value = jsonb.Quote(shorten(m.Value, maxText)) // no field of this length can be read, but for a text
		}
		if len(dst) > 1 {
			dst = append(dst, ", "...)
		}
		dst = append(append(append(dst, jsonb.Quote(m.Name)...), ": "...), m.Value...)
	}
	return append(dst, '}')
}

// isField reports whether the contract knows a member of the key's object.
func (k key) isField(name string) bool {
	for _, f := range k.fields() {
		if f.name == name {
			return true
		}
	}
	return name == jsonb.TimestampField
}
