package schemas

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// object writes a JSON object field by field, without reflection: events are made as fast as the WAL comes.
type object struct {
	dst   []byte
	first bool
}

func beginObject(dst []byte) *object { return &object{dst: append(dst, '{'), first: true} }

func (o *object) end() []byte { return append(o.dst, '}') }

// open begins an object inside this one; close ends it.
func (o *object) open(name string) {
	o.name(name)
	o.dst, o.first = append(o.dst, '{'), true
}

func (o *object) close() { o.dst, o.first = append(o.dst, '}'), false }

func (o *object) name(name string) {
	if !o.first {
		o.dst = append(o.dst, ',')
	}
	o.first = false
	o.dst = append(append(append(o.dst, '"'), name...), '"', ':')
}

func (o *object) null() { o.dst = append(o.dst, "null"...) }

func (o *object) string(name, value string) {
	o.name(name)
	o.dst = appendString(o.dst, value)
}

func (o *object) text(name string, value Text) {
	o.name(name)
	if value == nil {
		o.null()
		return
	}
	o.dst = appendString(o.dst, *value)
}

func (o *object) instant(name string, value Instant) {
	o.name(name)
	o.instantValue(value)
}

func (o *object) instantValue(value Instant) {
	if value == "" {
		o.null()
		return
	}
	o.dst = appendString(o.dst, string(value))
}

func (o *object) number(name string, value Number) {
	o.name(name)
	o.numberValue(value)
}

// numberValue writes a number with its own digits. What a float8 column can hold and JSON cannot (NaN, Infinity) is
// written as a string.
func (o *object) numberValue(value Number) {
	switch {
	case value == "":
		o.null()
	case isNumber(string(value)):
		o.dst = append(o.dst, value...)
	default:
		o.dst = appendString(o.dst, string(value))
	}
}

func isNumber(s string) bool {
	last := s[len(s)-1]
	return (s[0] == '-' || (s[0] >= '0' && s[0] <= '9')) && last >= '0' && last <= '9' && json.Valid([]byte(s))
}

// raw writes a JSON value as it is, on one line.
func (o *object) raw(name string, value Raw) {
	o.name(name)
	if len(value) == 0 {
		o.null()
		return
	}
	start := len(o.dst)
	o.dst = append(o.dst, value...)
	for _, end := range []byte{'\n', '\r'} { // only between tokens: inside a JSON string they are escaped
		for line := o.dst[start:]; ; {
			i := bytes.IndexByte(line, end)
			if i < 0 {
				break
			}
			line[i] = ' '
			line = line[i+1:]
		}
	}
}

func (o *object) bool(name string, value bool) {
	o.name(name)
	o.dst = strconv.AppendBool(o.dst, value)
}

func (o *object) maybe(name string, value *bool) {
	o.name(name)
	if value == nil {
		o.null()
		return
	}
	o.dst = strconv.AppendBool(o.dst, *value)
}

func (o *object) uint(name string, value uint64) {
	o.name(name)
	o.dst = strconv.AppendUint(o.dst, value, 10)
}

func appendList[T ~string](o *object, name string, values []T) {
	o.name(name)
	o.dst = append(o.dst, '[')
	for i, v := range values {
		if i > 0 {
			o.dst = append(o.dst, ',')
		}
		o.dst = appendString(o.dst, string(v))
	}
	o.dst = append(o.dst, ']')
}

func (o *object) flags(name string, values []Flag)     { appendList(o, name, values) }
func (o *object) stages(name string, values []Stage)   { appendList(o, name, values) }
func (o *object) strings(name string, values []string) { appendList(o, name, values) }

func (o *object) instants(name string, value PerStage[Instant]) {
	o.open(name)
	o.instant("s1", value.S1)
	o.instant("s2", value.S2)
	o.close()
}

func (o *object) numbers(name string, value PerStage[Number]) {
	o.open(name)
	o.number("s1", value.S1)
	o.number("s2", value.S2)
	o.close()
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. Invalid UTF-8 becomes U+FFFD, so that the line is always valid JSON.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := plain(s); i < len(s); {
		b := s[i]
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				i += plain(s[i:])
				continue
			}
		}
		dst = appendEscape(append(dst, s[start:i]...), b)
		i++
		start = i
		i += plain(s[i:])
	}
	return append(append(dst, s[start:]...), '"')
}

// plain returns how many bytes at the front of a string stand for themselves. It looks at eight at once.
func plain(s string) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		word := binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(s), len(s))[i:])
		quote, backslash := word^'"'*low, word^'\\'*low
		if (word|(word-' '*low)|(quote-low)&^quote|(backslash-low)&^backslash)&high != 0 {
			break
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}

func appendEscape(dst []byte, b byte) []byte {
	switch {
	case b >= utf8.RuneSelf:
		return append(dst, "\uFFFD"...)
	case b == '"' || b == '\\':
		return append(dst, '\\', b)
	case b == '\n':
		return append(dst, '\\', 'n')
	case b == '\r':
		return append(dst, '\\', 'r')
	case b == '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
}
