package cdc

import (
	"encoding/binary"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// stamp is a timestamp column. What Postgres prints is kept as a number, which takes less memory than its text and is
// compared without reading it.
type stamp struct {
	kind stampKind
	at   decode.Micros // 0 where there is no instant
	text []byte        // what Postgres printed, unless at tells
}

type stampKind uint8

const (
	noStamp    stampKind = iota // SQL NULL
	exactStamp                  // Postgres prints at as the text that was read
	oddStamp                    // an instant in another spelling
	badStamp                    // nothing that can be read: infinity, a year before Christ
)

const stampZone = "+00"

// readStamp reads the text of a timestamptz column, nil for NULL.
func readStamp(text []byte) stamp {
	if text == nil {
		return stamp{}
	}
	if at, ok := parseExact(text); ok {
		return stamp{kind: exactStamp, at: at}
	}
	at, _, ok := jsonb.ParseInstant(text)
	if !ok {
		return stamp{kind: badStamp, text: text}
	}
	return stamp{kind: oddStamp, at: at, text: text}
}

// parseExact reads a timestamp that is spelled as Postgres spells it in UTC.
func parseExact(text []byte) (at decode.Micros, ok bool) {
	at, zone, ok := jsonb.ParseClock(text)
	return at, ok && string(zone) == stampZone && isExact(text)
}

// isExact reports whether a timestamp that jsonb.ParseClock has read is spelled as Postgres spells it: a blank in the middle,
// and no zeros at the end of a fraction.
func isExact(text []byte) bool {
	digits := text[:len(text)-len(stampZone)]
	return text[10] == ' ' && (len(digits) == len(jsonb.ClockDigits) || digits[len(digits)-1] != '0')
}

// stampOf reads a column of a row; one that was not sent is as before.
func stampOf(v decode.Value, before stamp) stamp {
	switch v.Kind {
	case decode.Text:
		return readStamp(v.Text)
	case decode.Unchanged:
		return before
	}
	return stamp{}
}

func (s stamp) isNull() bool { return s.kind == noStamp }

func (s stamp) sameAs(other stamp) bool {
	return s.kind == other.kind && s.at == other.at && string(s.text) == string(other.text)
}

// instant returns the stamp as the contract prints it, null where there is no instant.
func (s stamp) instant() schemas.Instant {
	if s.at == 0 {
		return ""
	}
	return jsonb.FormatInstant(s.at)
}

// appendJSON appends the stamp as a JSON value.
func (s stamp) appendJSON(dst []byte) []byte {
	switch s.kind {
	case noStamp:
		return append(dst, "null"...)
	case badStamp:
		return append(dst, jsonb.Quote(s.text)...)
	}
	return append(jsonb.AppendInstant(append(dst, '"'), s.at), '"')
}

// appendTo appends the stamp as an image holds it.
func (s stamp) appendTo(dst []byte) []byte {
	switch s.kind {
	case noStamp:
		return append(dst, 0)
	case exactStamp:
		return binary.AppendVarint(append(dst, 1), int64(s.at))
	}
	return append(binary.AppendUvarint(dst, uint64(len(s.text))+2), s.text...)
}

func (r *reader) stamp() stamp {
	switch n := r.uvarint(); {
	case n == 0 || r.err != nil:
		return stamp{}
	case n == 1:
		return stamp{kind: exactStamp, at: decode.Micros(r.varint())}
	default:
		return readStamp(r.next(n - 2))
	}
}
