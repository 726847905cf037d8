package cdc

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"lowcap-cdc/decode"
)

// maxDepth bounds the nesting of a value that is compared.
const maxDepth = 1000

// digest identifies a JSON value by its meaning: 150 and 150.0, Z and +00:00 in a timestamp, an absent key and null,
// and any order of keys are the same.
type digest [16]byte

// shape says what a comparison knows of the members of an object.
type shape uint8

const (
	plainShape shape = iota
	timedShape       // the member timestamp is an instant
	poolShape        // an absent counter is zero
)

func (k key) shape() shape {
	switch {
	case k.isTimed():
		return timedShape
	case k == trimPool:
		return poolShape
	}
	return plainShape
}

// usualMembers is room for the members of what usually is compared.
const usualMembers = 12

// digestOf returns the digest of a JSON value.
func digestOf(v jsonText) (digest, error) {
	canonical, err := appendCanonical(make([]byte, 0, len(v)), v, 0)
	if err != nil {
		return digest{}, err
	}
	return digestOfCanonical(canonical), nil
}

func digestOfCanonical(canonical []byte) digest {
	sum := sha256.Sum256(canonical)
	return digest(sum[:16])
}

func appendCanonical(dst []byte, v jsonText, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errors.New("nested deeper than 1000 levels")
	}
	switch {
	case v.isNumber():
		dst, ok := appendNumber(append(dst, '#'), v)
		if !ok {
			return nil, errors.New("number out of range")
		}
		return dst, nil
	case v.isString():
		return appendSized(append(dst, '"'), v.unquoted()), nil
	case v.isObject():
		return appendCanonicalObject(dst, appendMembers(nil, v), plainShape, depth)
	case v.isArray():
		return appendCanonicalArray(dst, v, depth)
	}
	return append(dst, v...), nil // true, false, null
}

func appendSized(dst, text []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

func appendCanonicalArray(dst []byte, v jsonText, depth int) (_ []byte, err error) {
	dst = append(dst, '[')
	for e := decode.ItemsOf(v); e.Next(); {
		if dst, err = appendCanonical(append(dst, ','), e.Value(), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendCanonicalObject(dst []byte, members []member, s shape, depth int) (_ []byte, err error) {
	dst = append(dst, '{')
	var room [usualMembers]member
	for _, m := range sortedMembers(append(room[:0], members...)) {
		if m.value.isNull() || (s == poolShape && m.isDefaultCounter()) {
			continue
		}
		dst = appendSized(dst, m.name)
		if s == timedShape && string(m.name) == timestampField {
			if at, ok := m.instant(); ok {
				dst = binary.AppendVarint(append(dst, '@'), int64(at))
				continue
			}
		}
		if dst, err = appendCanonical(dst, m.value, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// sortedMembers sorts an object's members by their names. Of several with one name, which only a double-encoded
// document can have, the last one counts.
func sortedMembers(members []member) []member {
	slices.SortStableFunc(members, func(a, b member) int { return bytes.Compare(a.name, b.name) })
	kept := members[:0]
	for i, m := range members {
		if i+1 == len(members) || !bytes.Equal(members[i+1].name, m.name) {
			kept = append(kept, m)
		}
	}
	return kept
}

func (m *member) instant() (at decode.Micros, ok bool) {
	if m.value.isString() {
		at, _, ok = parseInstant(m.value.unquoted())
	}
	return at, ok
}

// isDefaultCounter reports whether a member of a pool has the value that its absence means.
func (m *member) isDefaultCounter() bool {
	switch string(m.name) {
	case "usd_basis", "dx_count":
		d, ok := parseDecimal(m.value)
		return ok && m.value.isNumber() && d.sign() == 0
	case "recovery_started":
		return m.value.isFalse()
	}
	return false
}
