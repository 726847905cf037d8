package decode

import (
	"bytes"
	"encoding/json"
)

// Features is what the sidecar reads of the features document. The slices are parts of the document; they are nil where the
// document has no such key or has null there.
type Features struct {
	History       []byte // pm_execution_history
	Engine        []byte // uptrend_engine_v4
	Shadow        []byte // shadow_entry_data
	DoubleEncoded bool   // the document, or one of these, was a JSON string that holds JSON
}

// Malformed says that a document cannot be read, and why. The document is handed on as it is.
type Malformed struct{ Why string }

func (e *Malformed) Error() string { return e.Why }

// ParseFeatures finds the watched keys of a features document in one pass, without building it in memory. The document
// is jsonb's text form, so it is valid JSON. A document that is neither an object nor null is a *Malformed.
//
// What was double-encoded is decoded where it stands: the document holds the object afterwards, and a second reading finds the
// same keys, but not that they were encoded. A document that is malformed is as it was.
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

// readThrough reads what is a JSON string and holds an object. Anything else stays as it is.
func readThrough(f Features) Features {
	for _, part := range [...]*[]byte{&f.History, &f.Engine, &f.Shadow} {
		if len(*part) == 0 || (*part)[0] != '"' {
			continue
		}
		if inner := object(*part); inner != nil {
			*part, f.DoubleEncoded = inner, true
		}
	}
	return f
}

const (
	historyName = "pm_execution_history"
	engineName  = "uptrend_engine_v4"
	shadowName  = "shadow_entry_data"
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
		if sorted && (name == nil || len(name) > len(historyName)) {
			return f
		}
		value := next(document, next(document, end)+1) // behind the colon
		i = skipValue(document, value)
		switch string(name) {
		case historyName:
			f.History = known(document[value:i:i])
		case engineName:
			f.Engine = known(document[value:i:i])
		case shadowName:
			f.Shadow = known(document[value:i:i])
		}
		i = next(document, i) + 1 // behind the comma
	}
}

// memberName returns the name in a JSON string, nil when it is longer than any that is watched.
func memberName(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	if len(quoted) > len(`\u0000`)*len(historyName)+2 {
		return nil
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
