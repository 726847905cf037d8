package jsonb

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"lowcap-cdc/decode"
)

// Digest identifies a JSON value by its meaning: 150 and 150.0, Z and +00:00 in a timestamp, an absent key and null,
// and any order of keys are the same.
type Digest [16]byte

// TimestampField is the member that holds an object's own timestamp.
const TimestampField = "timestamp"

// Shape says what a comparison knows of the members of an object.
type Shape uint8

// The shapes of an object.
const (
	Plain Shape = iota
	Timed       // the member TimestampField is an instant
	Pool        // an absent counter of a trim pool is zero
)

// usualMembers is room for the members of what usually is compared.
const usualMembers = 12

// DigestOfCanonical returns the digest of a value from its canonical form.
func DigestOfCanonical(canonical []byte) Digest {
	sum := sha256.Sum256(canonical)
	return Digest(sum[:16])
}

// AppendCanonical appends the canonical form of a value: the same bytes for all spellings of it. A value that is nested
// too deeply, or holds a number that is out of range, is an error.
func AppendCanonical(dst []byte, v Text) ([]byte, error) { return appendValue(dst, v, 0) }

// AppendCanonicalObject does the same for an object that was split into its members. It changes neither slice.
func AppendCanonicalObject(dst []byte, members []Member, s Shape) ([]byte, error) {
	return appendObject(dst, members, s, 0)
}

func appendValue(dst []byte, v Text, depth int) ([]byte, error) {
	if depth > MaxLevels {
		return nil, errors.New(tooDeep)
	}
	switch {
	case v.IsNumber():
		dst, ok := appendNumber(append(dst, '#'), v)
		if !ok {
			return nil, errors.New(tooManyDigits)
		}
		return dst, nil
	case v.IsString():
		return appendSized(append(dst, '"'), v.Unquoted()), nil
	case v.IsObject():
		return appendObject(dst, AppendMembers(nil, v), Plain, depth)
	case v.IsArray():
		return appendArray(dst, v, depth)
	}
	return append(dst, v...), nil // true, false, null
}

func appendSized(dst, text []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

func appendArray(dst []byte, v Text, depth int) (_ []byte, err error) {
	dst = append(dst, '[')
	for e := decode.ItemsOf(v); e.Next(); {
		if dst, err = appendValue(append(dst, ','), e.Value(), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, members []Member, s Shape, depth int) (_ []byte, err error) {
	dst = append(dst, '{')
	var room [usualMembers]Member
	sorted := append(room[:0], members...)
	slices.SortFunc(sorted, func(a, b Member) int { return bytes.Compare(a.Name, b.Name) })
	for _, m := range sorted {
		if m.Value.IsNull() || (s == Pool && m.isDefaultCounter()) {
			continue
		}
		dst = appendSized(dst, m.Name)
		if s == Timed && string(m.Name) == TimestampField {
			if at, ok := m.instant(); ok {
				dst = binary.AppendVarint(append(dst, '@'), int64(at))
				continue
			}
		}
		if dst, err = appendValue(dst, m.Value, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func (m *Member) instant() (at decode.Micros, ok bool) {
	if m.Value.IsString() {
		at, _, ok = ParseInstant(m.Value.Unquoted())
	}
	return at, ok
}

// isDefaultCounter reports whether a member of a pool has the value that its absence means.
func (m *Member) isDefaultCounter() bool {
	switch string(m.Name) {
	case "usd_basis", "dx_count":
		d, ok := ParseDecimal(m.Value)
		return ok && m.Value.IsNumber() && d.Sign() == 0
	case "recovery_started":
		return m.Value.IsFalse()
	}
	return false
}

// Same reports whether two values mean the same; absent and null are one. Of objects the shape is known. What has no
// canonical form is like nothing but its own bytes.
func Same(a, b Text, s Shape) bool {
	switch {
	case a.IsNull() || b.IsNull():
		return a.IsNull() == b.IsNull()
	case bytes.Equal(a, b):
		return true
	}
	x, errX := appendShaped(nil, a, s)
	y, errY := appendShaped(nil, b, s)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func appendShaped(dst []byte, v Text, s Shape) ([]byte, error) {
	if v.IsObject() {
		return AppendCanonicalObject(dst, AppendMembers(nil, v), s)
	}
	return AppendCanonical(dst, v)
}

// SameInstant reports whether two values are timestamps of one instant.
func SameInstant(a, b Text) bool {
	x, okX := (&Member{Value: a}).instant()
	y, okY := (&Member{Value: b}).instant()
	return okX && okY && x == y
}
