package cdc

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// The text of a column, or of a row's key, as images and the memory hold it. A number comes first and says what follows:
//
//	0             nothing: the text is NULL
//	1             the 16 bytes of a UUID that is spelled as Postgres spells it
//	2             a timestamp that is spelled so, in UTC: its microseconds
//	3 + n         nothing: the text is words[n]
//	64 + length   the text
//
// The same text always becomes the same bytes, and no text's bytes begin another's.
const (
	nullText  = 0
	uuidText  = 1
	stampText = 2
	firstWord = 3
	plainText = 64

	longestWord = len("onchain_crypto")
)

// words are the texts that most rows hold. Images are kept by them: none may move, and there is room for 61.
var words = [...]string{"0", "solana", "ethereum", "base", "bsc", "1m", "5m", "15m", "1h", "4h", "1d", "social", "onchain_crypto",
	"dormant", "watchlist", "active", "paused", "archived", "regime_driver", "shadow", "S0", "S1", "S2", "S3", "S4"}

// The array's length would be negative if there were more words than codes.
var _ [plainText - firstWord - len(words)]struct{}

// codeOf returns the code of a word.
func codeOf(text []byte) (code byte, ok bool) {
	if len(text) > longestWord {
		return 0, false
	}
	for i, word := range words {
		if string(text) == word {
			return byte(firstWord + i), true
		}
	}
	return 0, false
}

func appendText(dst, text []byte) []byte {
	if text == nil {
		return append(dst, nullText)
	}
	if code, ok := codeOf(text); ok {
		return append(dst, code)
	}
	if packed, ok := appendUUID(append(dst, uuidText), text); ok {
		return packed
	}
	if at, ok := parseExact(text); ok {
		return binary.AppendVarint(append(dst, stampText), int64(at))
	}
	return append(binary.AppendUvarint(dst, plainText+uint64(len(text))), text...)
}

// text reads a text, nil for NULL. What is not kept as it stands is printed behind what is in room; both are returned.
func (r *reader) text(room []byte) (text, printed []byte) {
	start := len(room)
	switch code := r.uvarint(); {
	case code == nullText:
		return nil, room
	case code == uuidText:
		room = appendUUIDText(room, r.next(uuidBytes))
	case code == stampText:
		room = appendStampText(room, decode.Micros(r.varint()))
	case code >= plainText:
		return r.next(code - plainText), room
	case code-firstWord < uint64(len(words)):
		word := words[code-firstWord]
		return unsafe.Slice(unsafe.StringData(word), len(word)), room
	default:
		r.fail(errNewer)
		return nil, room
	}
	return room[start:len(room):len(room)], room
}

const (
	uuidBytes  = 16
	uuidLength = 36 // of its text
	hexDigits  = "0123456789abcdef"
)

// isDash reports whether a dash stands in a UUID's text before a byte.
func isDash(at int) bool { return at == 4 || at == 6 || at == 8 || at == 10 }

// appendUUID appends the bytes of a UUID in Postgres' spelling, and reports whether the text is one.
func appendUUID(dst, text []byte) (packed []byte, ok bool) {
	if len(text) != uuidLength {
		return dst, false
	}
	for i, at := 0, 0; i < uuidBytes; i, at = i+1, at+2 {
		if isDash(i) {
			if text[at] != '-' {
				return dst, false
			}
			at++
		}
		high, low := hexValue(text[at]), hexValue(text[at+1])
		if high|low > 15 {
			return dst, false
		}
		dst = append(dst, high<<4|low)
	}
	return dst, true
}

// hexValue returns what a digit counts, 255 for another byte.
func hexValue(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10
	}
	return 255
}

func appendUUIDText(dst, packed []byte) []byte {
	for i, b := range packed {
		if isDash(i) {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}

// appendStampText prints an instant as Postgres does in UTC.
func appendStampText(dst []byte, at decode.Micros) []byte {
	start := len(dst)
	dst = jsonb.AppendInstant(dst, at)
	dst[start+len("2006-01-02")] = ' '
	dst = bytes.TrimRight(dst[:len(dst)-len("Z")], "0")
	return append(bytes.TrimSuffix(dst, []byte(".")), stampZone...)
}
