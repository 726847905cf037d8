package cdc

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"
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

// digestOf returns the digest of a JSON value.
func digestOf(raw []byte, s shape) (digest, error) {
	canonical, err := appendCanonical(nil, parseJSON(raw), s, 0)
	if err != nil {
		return digest{}, err
	}
	sum := sha256.Sum256(canonical)
	return digest(sum[:16]), nil
}

// parseJSON reads raw without a copy; raw must not change as long as the result is used.
func parseJSON(raw []byte) gjson.Result {
	return gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw)))
}

func appendCanonical(dst []byte, v gjson.Result, s shape, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errors.New("nested deeper than 1000 levels")
	}
	switch {
	case v.Type == gjson.Number:
		dst, ok := appendNumber(append(dst, '#'), v.Raw)
		if !ok {
			return nil, errors.New("number out of range")
		}
		return dst, nil
	case v.Type == gjson.String:
		return appendSized(append(dst, '"'), v.Str), nil
	case v.IsObject():
		return appendCanonicalObject(dst, v, s, depth)
	case v.IsArray():
		return appendCanonicalArray(dst, v, depth)
	}
	return append(dst, v.Raw...), nil // true, false, null
}

func appendSized(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendCanonicalArray(dst []byte, v gjson.Result, depth int) (_ []byte, err error) {
	dst = append(dst, '[')
	v.ForEach(func(_, element gjson.Result) bool {
		dst, err = appendCanonical(append(dst, ','), element, plainShape, depth+1)
		return err == nil
	})
	return append(dst, ']'), err
}

func appendCanonicalObject(dst []byte, v gjson.Result, s shape, depth int) (_ []byte, err error) {
	dst = append(dst, '{')
	for _, m := range sortedMembers(v) {
		if m.Type == gjson.Null || (s == poolShape && isDefaultCounter(m.name, m.Result)) {
			continue
		}
		dst = appendSized(dst, m.name)
		if s == timedShape && m.name == timestampField {
			if at, _, ok := parseInstant(m.Str); ok {
				dst = binary.AppendVarint(append(dst, '@'), int64(at))
				continue
			}
		}
		if dst, err = appendCanonical(dst, m.Result, plainShape, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// member is a named value of an object.
type member struct {
	name string
	gjson.Result
}

// sortedMembers returns an object's members by their names. Of several with one name, which only a double-encoded
// document can have, the last one counts.
func sortedMembers(object gjson.Result) []member {
	members := make([]member, 0, 8)
	object.ForEach(func(name, value gjson.Result) bool {
		members = append(members, member{name.Str, value})
		return true
	})
	slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	kept := members[:0]
	for i, m := range members {
		if i+1 == len(members) || members[i+1].name != m.name {
			kept = append(kept, m)
		}
	}
	return kept
}

// isDefaultCounter reports whether a member of a pool has the value that its absence means.
func isDefaultCounter(name string, member gjson.Result) bool {
	switch name {
	case "usd_basis", "dx_count":
		d, ok := parseDecimal([]byte(member.Raw))
		return ok && member.Type == gjson.Number && d.sign() == 0
	case "recovery_started":
		return member.Type == gjson.False
	}
	return false
}
