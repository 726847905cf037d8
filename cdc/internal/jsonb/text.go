// Package jsonb reads what the JSON values of a row mean: two spellings of one number, instant or object are one value,
// and no digit is lost.
//
// Its input is what Postgres prints for jsonb, or a document that was checked with json.Valid. It keeps nothing and does
// no I/O.
package jsonb

import (
	"bytes"
	"encoding/json"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// Text is a JSON value as it stands in a document: valid, and without white space around it. An empty one is not there.
type Text []byte

// IsNull reports whether a value is null or not there.
func (t Text) IsNull() bool { return len(t) == 0 || t[0] == 'n' }

// IsString reports whether a value is a string.
func (t Text) IsString() bool { return len(t) > 0 && t[0] == '"' }

// IsObject reports whether a value is an object.
func (t Text) IsObject() bool { return len(t) > 0 && t[0] == '{' }

// IsArray reports whether a value is an array.
func (t Text) IsArray() bool { return len(t) > 0 && t[0] == '[' }

// IsTrue reports whether a value is true.
func (t Text) IsTrue() bool { return len(t) > 0 && t[0] == 't' }

// IsFalse reports whether a value is false.
func (t Text) IsFalse() bool { return len(t) > 0 && t[0] == 'f' }

// IsNumber reports whether a value is a number.
func (t Text) IsNumber() bool { return len(t) > 0 && (t[0] == '-' || (t[0] >= '0' && t[0] <= '9')) }

// Unquoted returns what a string says. The value must be a string; without escapes the result is a part of it.
func (t Text) Unquoted() []byte {
	if bytes.IndexByte(t, '\\') < 0 {
		return t[1 : len(t)-1]
	}
	text := gjson.Parse(unsafe.String(unsafe.SliceData(t), len(t))).Str
	return unsafe.Slice(unsafe.StringData(text), len(text)) // with an escape it is a new one
}

// pieceSize is about how many bytes of a string are decoded at once.
const pieceSize = 64 << 10

// Pieces passes over what a string says, piece by piece, so that there is no copy of a large one.
func (t Text) Pieces(yield func([]byte) bool) {
	for rest := t[1 : len(t)-1]; len(rest) > 0; {
		end := pieceEnd(rest)
		piece := make(Text, 0, end+2)
		piece = append(append(append(piece, '"'), rest[:end]...), '"')
		if rest = rest[end:]; !yield(piece.Unquoted()) {
			return
		}
	}
}

// pieceEnd returns where a piece ends that does not cut an escape, or the two that are one character.
func pieceEnd(rest []byte) (end int) {
	for end < pieceSize && end < len(rest) {
		switch {
		case rest[end] != '\\':
			end++
		case end+1 < len(rest) && rest[end+1] == 'u':
			if end += 6; end+6 <= len(rest) && rest[end-4]|0x20 == 'd' && string(rest[end:end+2]) == `\u` {
				end += 6 // the other half of a surrogate pair
			}
		default:
			end += 2
		}
	}
	return min(end, len(rest))
}

// Name returns what a string says, nil for one that says more than longest bytes. It allocates little, however long that is.
func (t Text) Name(longest int) []byte {
	const widest = len(`\u0000`)
	if len(t) > widest*longest+2 {
		return nil
	}
	return t.Unquoted()
}

// TextOrNull returns a copy of what a string says, nil for anything else.
func (t Text) TextOrNull() schemas.Text {
	if !t.IsString() {
		return nil
	}
	s := string(t.Unquoted())
	return &s
}

// Quote returns text as a JSON string. Invalid UTF-8 becomes U+FFFD.
func Quote(text []byte) []byte {
	quoted, err := json.Marshal(strings.ToValidUTF8(string(text), "\uFFFD"))
	if err != nil {
		return []byte("null") // a string always marshals
	}
	return quoted
}

// Member is a named value of an object.
type Member struct {
	Name  []byte
	Value Text
}

// AppendMembers appends the members of an object, in their order. Of several with one name the last one counts, as it
// does for the bot; only a double-encoded document can have such, as jsonb keeps one.
func AppendMembers(dst []Member, object Text) []Member {
	start, sorted := len(dst), true
	for m := decode.MembersOf(object); m.Next(); {
		next := Member{Text(m.Name).Unquoted(), m.Value()}
		sorted = sorted && (len(dst) == start || IsBefore(dst[len(dst)-1].Name, next.Name))
		dst = append(dst, next)
	}
	if sorted {
		return dst
	}
	return append(dst[:start], lastOfEach(dst[start:])...)
}

// IsBefore reports whether jsonb prints a member of the one name before one of the other: shorter names come first.
func IsBefore(a, b []byte) bool {
	return len(a) < len(b) || (len(a) == len(b) && bytes.Compare(a, b) < 0)
}

// lastOfEach returns the last member of each name.
func lastOfEach(members []Member) []Member {
	last := make(map[string]int, len(members))
	for i, m := range members {
		last[string(m.Name)] = i
	}
	kept := make([]Member, 0, len(last))
	for i, m := range members {
		if last[string(m.Name)] == i {
			kept = append(kept, m)
		}
	}
	return kept
}

// Lookup returns the value of a name in an object, the last of several, and nil when there is none; the name is not empty. It passes
// over the object and allocates nothing, however many members that has.
func Lookup(object Text, name string) (value Text) {
	for m := decode.MembersOf(object); m.Next(); {
		v := m.Value()
		if string(Text(m.Name).Name(len(name))) == name {
			value = v
		}
	}
	return value
}

// Find returns the member of a name, nil when there is none.
func Find(members []Member, name string) Text {
	for i := range members {
		if string(members[i].Name) == name {
			return members[i].Value
		}
	}
	return nil
}
