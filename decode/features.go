package decode

import (
	"bytes"
	"encoding/json"
	"unsafe"
)

// Features is what the sidecar reads of the features document. The slices are parts of the document, or of its decoded
// form when it was double-encoded; they are nil where the document has no such key or has null there.
type Features struct {
	History       []byte // pm_execution_history
	Engine        []byte // uptrend_engine_v4
	DoubleEncoded bool   // the document, or its history, was a JSON string that holds JSON
}

// Malformed says that a document cannot be read, and why. The document is handed on as it is.
type Malformed struct{ Why string }

func (e *Malformed) Error() string { return e.Why }

// ParseFeatures finds the watched keys of a features document in one pass, without building it in memory. The document
// is jsonb's text form, so it is valid JSON. A document that is neither an object nor null is a *Malformed.
func ParseFeatures(document []byte) (Features, error) {
	switch first(document) {
	case '{':
		return readThrough(scan(document, true)), nil
	case '"':
		return doubleEncoded(document)
	case 'n':
		return Features{}, nil
	}
	return Features{}, &Malformed{"features is not an object"}
}

func doubleEncoded(document []byte) (Features, error) {
	inner := object(document)
	if inner == nil {
		return Features{}, &Malformed{"features is a string that does not hold a JSON object"}
	}
	f := readThrough(scan(inner, false))
	f.DoubleEncoded = true
	return f, nil
}

// readThrough reads a history that is a JSON string and holds an object. Anything else stays as it is.
func readThrough(f Features) Features {
	if len(f.History) > 0 && f.History[0] == '"' {
		if inner := object(f.History); inner != nil {
			f.History, f.DoubleEncoded = inner, true
		}
	}
	return f
}

// maxEncodings is how often a document may have been encoded.
const maxEncodings = 4

// object returns the JSON object that a JSON string holds, nil when it holds something else. Unlike jsonb's own output the
// text in a string was never checked by the server. json.Valid bounds its nesting too.
func object(quoted []byte) []byte {
	for range maxEncodings {
		var text string
		if json.Unmarshal(quoted, &text) != nil {
			return nil
		}
		quoted = unsafe.Slice(unsafe.StringData(text), len(text)) // it may be large, and is only read
		if !json.Valid(quoted) {
			return nil
		}
		if start := next(quoted, 0); quoted[start] == '{' {
			return quoted[start:]
		}
	}
	return nil
}

// ShadowEntry returns shadow_entry_data of a features document, nil where there is none or the document cannot be read.
func ShadowEntry(document []byte) (entry []byte) {
	if first(document) == '"' {
		document = object(document)
	}
	if first(document) != '{' {
		return nil
	}
	for m := MembersOf(document); m.Next(); {
		name, value := memberName(m.Name), m.Value()
		if string(name) == "shadow_entry_data" {
			entry = known(value)
		}
	}
	return entry
}

const (
	historyName = "pm_execution_history"
	engineName  = "uptrend_engine_v4"
)

// scan passes over the members of an object once, as Members does, but in one loop: every row pays for it. jsonb prints
// them sorted by the length of their names, so nothing that is watched comes behind a longer name; a document that was
// double-encoded is in any order, its last member of a name counting.
func scan(document []byte, sorted bool) (f Features) {
	for i := next(document, 0) + 1; ; {
		start := next(document, i)
		if start >= len(document) || document[start] != '"' {
			return f // the closing brace
		}
		end := skipString(document, start)
		if end-start < 2 {
			return f
		}
		name := memberName(document[start:end])
		if sorted && len(name) > len(historyName) {
			return f
		}
		value := next(document, next(document, end)+1) // behind the colon
		i = skipValue(document, value)
		switch string(name) {
		case historyName:
			f.History = known(document[value:i:i])
		case engineName:
			f.Engine = known(document[value:i:i])
		}
		i = next(document, i) + 1 // behind the comma
	}
}

// memberName returns the name in a JSON string.
func memberName(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var name string
	if json.Unmarshal(quoted, &name) != nil {
		return nil
	}
	return []byte(name)
}

// known returns a raw value, nil for null.
func known(raw []byte) []byte {
	if len(raw) == 0 || raw[0] == 'n' {
		return nil
	}
	return raw
}

func first(document []byte) byte {
	if i := next(document, 0); i < len(document) {
		return document[i]
	}
	return 0
}
