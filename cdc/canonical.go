package cdc

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sort"
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
	members := make(map[string]gjson.Result)
	v.ForEach(func(key, member gjson.Result) bool {
		members[key.Str] = member
		return true
	})
	keys := make([]string, 0, len(members))
	for key, member := range members {
		if isDefault := s == poolShape && isDefaultCounter(key, member); member.Type != gjson.Null && !isDefault {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	dst = append(dst, '{')
	for _, key := range keys {
		dst = appendSized(dst, key)
		member := members[key]
		if s == timedShape && key == timestampField {
			if at, _, ok := parseInstant(member.Str); ok {
				dst = binary.AppendVarint(append(dst, '@'), int64(at))
				continue
			}
		}
		if dst, err = appendCanonical(dst, member, plainShape, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
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
