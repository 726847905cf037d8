package decode

import (
	"encoding/binary"
	"math/bits"
)

// Elements counts the elements of a valid JSON array.
func Elements(array []byte) (n int64) {
	for i := next(array, 0) + 1; ; n++ {
		if i = next(array, i); i >= len(array) || array[i] == ']' {
			return n
		}
		i = next(array, skipValue(array, i)) + 1 // behind the comma
	}
}

// Members passes over the members of a valid JSON object, which is not read beyond finding where its parts end. In
// anything else it ends early.
type Members struct {
	json []byte
	at   int
	Name []byte // of the member, as a JSON string
}

// MembersOf returns a Members before the first member.
func MembersOf(object []byte) Members { return Members{json: object, at: next(object, 0) + 1} }

// Next goes to the next member and returns false behind the last. Value is to be called in between.
func (m *Members) Next() bool {
	start := next(m.json, m.at)
	if start >= len(m.json) || m.json[start] != '"' {
		return false // the closing brace
	}
	m.at = skipString(m.json, start)
	m.Name = m.json[start:m.at:m.at]
	return len(m.Name) >= len(`""`)
}

// Value returns the member's value, as it stands in the object.
func (m *Members) Value() []byte {
	start := next(m.json, next(m.json, m.at)+1) // behind the colon
	end := skipValue(m.json, start)
	m.at = next(m.json, end) + 1 // behind the comma
	return m.json[start:end:end]
}

// Items passes over the elements of a valid JSON array, as Members does over those of an object.
type Items struct {
	json []byte
	at   int
}

// ItemsOf returns an Items before the first element.
func ItemsOf(array []byte) Items { return Items{json: array, at: next(array, 0) + 1} }

// Next goes to the next element and returns false behind the last. Value is to be called in between.
func (i *Items) Next() bool {
	i.at = next(i.json, i.at)
	return i.at < len(i.json) && i.json[i.at] != ']'
}

// Value returns the element, as it stands in the array.
func (i *Items) Value() []byte {
	start := i.at
	end := skipValue(i.json, start)
	i.at = next(i.json, end) + 1 // behind the comma
	return i.json[start:end:end]
}

// The functions below find where a JSON value ends without reading it. They are for valid JSON; in anything else they
// end at its end at the latest.

// next returns the index of the first byte at or behind i that is no white space.
func next(json []byte, i int) int {
	for i < len(json) && (json[i] == ' ' || json[i] == '\n' || json[i] == '\t' || json[i] == '\r') {
		i++
	}
	return min(i, len(json))
}

// skipValue returns the index behind the value that begins at i.
func skipValue(json []byte, i int) int {
	if i >= len(json) {
		return len(json)
	}
	switch json[i] {
	case '"':
		return skipString(json, i)
	case '{', '[':
		return skipNested(json, i)
	}
	for i < len(json) && json[i] != ',' && json[i] > ' ' && json[i] != ']' && json[i] != '}' {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i.
func skipString(json []byte, i int) int {
	for i++; i < len(json); {
		end := nextQuote(json, i)
		escapes := 0
		for escapes < end-i && json[end-1-escapes] == '\\' {
			escapes++
		}
		if i = end + 1; escapes%2 == 0 {
			break
		}
	}
	return min(i, len(json))
}

// skipNested returns the index behind the object or array that begins at i.
func skipNested(json []byte, i int) int {
	for depth := 0; i < len(json); i = nextStructure(json, i) {
		switch json[i] {
		case '"':
			i = skipString(json, i)
			continue
		case '{', '[':
			depth++
		default:
			depth--
		}
		if i++; depth == 0 {
			return i
		}
	}
	return len(json)
}

// The two searches look at eight bytes at once.
const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// zeros sets the high bit of the first byte of a word that is zero; of the bytes behind it it may be wrong.
func zeros(word uint64) uint64 { return (word - lowBits) &^ word & highBits }

// nextQuote returns the index of the first quotation mark at or behind i, or the length.
func nextQuote(json []byte, i int) int {
	for ; i+8 <= len(json); i += 8 {
		if found := zeros(binary.LittleEndian.Uint64(json[i:]) ^ '"'*lowBits); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(json) && json[i] != '"' {
		i++
	}
	return i
}

// nextStructure returns the index of the first quotation mark, brace or bracket at or behind i, or the length.
func nextStructure(json []byte, i int) int {
	for ; i+8 <= len(json); i += 8 {
		word := binary.LittleEndian.Uint64(json[i:])
		bracket := word | 0x20*lowBits // makes a brace of a bracket, and nothing else that occurs outside a string
		if found := zeros(word^'"'*lowBits) | zeros(bracket^'{'*lowBits) | zeros(bracket^'}'*lowBits); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(json) && json[i] != '"' && json[i]|0x20 != '{' && json[i]|0x20 != '}' {
		i++
	}
	return i
}
