package jsonb

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

// DigestOf returns the digest of a JSON value, and AppendCanonical's errors.
func DigestOf(v Text) (Digest, error) {
	canonical, err := AppendCanonical(make([]byte, 0, len(v)), v)
	if err != nil {
		return Digest{}, err
	}
	return DigestOfCanonical(canonical), nil
}

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
	if depth > maxDepth {
		return nil, errors.New("nested deeper than 1000 levels")
	}
	switch {
	case v.IsNumber():
		dst, ok := appendNumber(append(dst, '#'), v)
		if !ok {
			return nil, errors.New("number out of range")
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
	for _, m := range sortedMembers(append(room[:0], members...)) {
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

// sortedMembers sorts an object's members by their names. Of several with one name, which only a double-encoded
// document can have, the last one counts.
func sortedMembers(members []Member) []Member {
	slices.SortStableFunc(members, func(a, b Member) int { return bytes.Compare(a.Name, b.Name) })
	kept := members[:0]
	for i, m := range members {
		if i+1 == len(members) || !bytes.Equal(members[i+1].Name, m.Name) {
			kept = append(kept, m)
		}
	}
	return kept
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
