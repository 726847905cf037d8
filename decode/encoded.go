package decode

import (
	"bytes"
	"encoding/json"
	"strings"
	"unsafe"
)

// maxEncodings is how often a document may have been encoded.
const maxEncodings = 4

// object returns the JSON object that a JSON string holds, nil when it holds something else. Unlike jsonb's own output the
// text in a string was never checked by the server. json.Valid bounds its nesting too.
//
// The string is decoded where it stands, because a copy of a large one is more memory than the sidecar promises to take. What
// stood there is then the object, with spaces behind it; when there is no object the string is as it was.
func object(quoted []byte) []byte {
	inner := decodeInPlace(quoted, maxEncodings)
	if inner == nil {
		return nil
	}
	n := copy(quoted, inner)
	for i := range quoted[n:] {
		quoted[n+i] = ' '
	}
	return quoted[:n:n]
}

// decodeInPlace returns the object, which lies somewhere in what was the string.
func decodeInPlace(quoted []byte, encodings int) []byte {
	if encodings == 0 {
		return nil
	}
	quoted = bytes.TrimRight(quoted, " \t\r\n")
	if !isReversible(quoted) {
		return decodeCopy(quoted, encodings)
	}
	n := unescape(quoted)
	if text := quoted[:n]; json.Valid(text) {
		inner := text[next(text, 0):]
		if inner[0] == '{' {
			return inner
		}
		if inner[0] == '"' {
			if inner = decodeInPlace(inner, encodings-1); inner != nil {
				return inner
			}
		}
	}
	escape(quoted, n)
	return nil
}

// decodeCopy reads a string that is spelled as Postgres does not spell it: one that was encoded by somebody else and then once
// more, or what is no string at all.
func decodeCopy(quoted []byte, encodings int) []byte {
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return nil
	}
	inner := unsafe.Slice(unsafe.StringData(text), len(text)) // nobody else has it
	if !json.Valid(inner) {
		return nil
	}
	if inner = inner[next(inner, 0):]; inner[0] == '{' {
		return inner
	}
	return decodeInPlace(inner, encodings-1)
}

const (
	spelled = `"\bfnrt` // what stands behind a backslash
	meant   = "\"\\\b\f\n\r\t"
	digits  = "0123456789abcdef"
)

// isReversible reports whether a JSON string is spelled as Postgres spells it (escape_json), so that its text tells how it was
// spelled. It may have white space in front.
func isReversible(quoted []byte) bool {
	if len(quoted) < 2 || quoted[0] != '"' || skipString(quoted, 0) != len(quoted) || quoted[len(quoted)-1] != '"' {
		return false
	}
	for i := 1; ; {
		next := bytes.IndexByte(quoted[i:], '\\')
		if next < 0 {
			return true
		}
		i += next + 1 // at the letter; there is one, or the string would end elsewhere
		if strings.IndexByte(spelled, quoted[i]) >= 0 {
			i++
			continue
		}
		if quoted[i] != 'u' || i+5 > len(quoted) || string(quoted[i+1:i+3]) != "00" {
			return false
		}
		high, low := strings.IndexByte(digits, quoted[i+3]), strings.IndexByte(digits, quoted[i+4])
		if high < 0 || high > 1 || low < 0 || strings.IndexByte(meant, byte(high<<4|low)) >= 0 {
			return false
		}
		i += 5
	}
}

// unescape puts the text of a reversible string in its place, from its beginning on, and returns how long it is.
func unescape(quoted []byte) (n int) {
	for i, end := 1, len(quoted)-1; ; {
		run := bytes.IndexByte(quoted[i:end], '\\')
		if run < 0 {
			return n + copy(quoted[n:], quoted[i:end])
		}
		n += copy(quoted[n:], quoted[i:i+run])
		i += run + 1
		if at := strings.IndexByte(spelled, quoted[i]); at >= 0 {
			quoted[n] = meant[at]
			i++
		} else {
			quoted[n] = byte(strings.IndexByte(digits, quoted[i+3])<<4 | strings.IndexByte(digits, quoted[i+4]))
			i += 5
		}
		n++
	}
}

// escape undoes unescape: the first n bytes are the text of a string that took all of them.
func escape(quoted []byte, n int) {
	end := len(quoted) - 1
	quoted[end] = '"'
	for n--; n >= 0; n-- {
		b := quoted[n]
		if at := strings.IndexByte(meant, b); at >= 0 {
			end -= 2
			quoted[end], quoted[end+1] = '\\', spelled[at]
		} else if b < ' ' {
			end -= 6
			copy(quoted[end:], `\u00`)
			quoted[end+4], quoted[end+5] = digits[b>>4], digits[b&15]
		} else {
			end--
			quoted[end] = b
		}
	}
	quoted[0] = '"'
}
