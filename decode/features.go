package decode

import (
	"encoding/json"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Features is what the sidecar reads of the features document. The slices are parts of the document, or of its decoded
// form when it was double-encoded; they are nil where the document has no such key or has null there.
type Features struct {
	History       []byte // pm_execution_history
	Engine        []byte // uptrend_engine_v4
	DoubleEncoded bool   // the document was a JSON string that holds JSON
}

// Malformed says that a document cannot be read, and why. The document is handed on as it is.
type Malformed struct{ Why string }

func (e *Malformed) Error() string { return e.Why }

// ParseFeatures finds the watched keys of a features document in one pass, without building it in memory. The document
// is jsonb's text form, so it is valid JSON. A document that is neither an object nor null is a *Malformed.
func ParseFeatures(document []byte) (Features, error) {
	switch first(document) {
	case '{':
		return scan(document), nil
	case '"':
		return doubleEncoded(document)
	case 'n':
		return Features{}, nil
	}
	return Features{}, &Malformed{"features is not an object"}
}

func doubleEncoded(document []byte) (Features, error) {
	var inner string
	if err := json.Unmarshal(document, &inner); err != nil {
		return Features{}, &Malformed{"features is not valid JSON: " + err.Error()}
	}
	// Unlike jsonb's own output this text was never checked by the server. json.Valid bounds its nesting too.
	if !json.Valid([]byte(inner)) || first([]byte(inner)) != '{' {
		return Features{}, &Malformed{"features is a string that does not hold a JSON object"}
	}
	f := scan([]byte(inner))
	f.DoubleEncoded = true
	return f, nil
}

func scan(document []byte) Features {
	var f Features
	gjson.Parse(unsafe.String(unsafe.SliceData(document), len(document))).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "pm_execution_history":
			f.History = raw(document, value)
		case "uptrend_engine_v4":
			f.Engine = raw(document, value)
		}
		// jsonb sorts keys by length first, but a double-encoded document is in any order, its last key counting.
		return true
	})
	return f
}

// raw returns the bytes of a value that was found in document, nil for null.
func raw(document []byte, value gjson.Result) []byte {
	if value.Type == gjson.Null {
		return nil
	}
	return document[value.Index : value.Index+len(value.Raw)]
}

func first(document []byte) byte {
	for _, b := range document {
		switch b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}
