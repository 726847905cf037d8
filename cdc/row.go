package cdc

import (
	"bytes"
	"unsafe"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// column returns what a column of the new row holds, nil for NULL; a value that was not sent is as before, also where the table
// has lost the column: what was held is not sold by that. Of a text that
// no event may carry it returns what stands for it, in events and images alike: its beginning and its digest.
func column(v decode.Value, before []byte) []byte {
	switch v.Kind {
	case decode.Text:
		return shorten(v.Text, maxText)
	case decode.Unchanged, decode.Missing:
		return before
	}
	return nil
}

// isAs reports whether a column holds what it held before, nil for NULL.
func isAs(v decode.Value, before []byte) bool {
	now := column(v, before)
	return bytes.Equal(now, before) && (now == nil) == (before == nil)
}

// textOf returns a copy of a column's text, nil for NULL.
func textOf(b []byte) schemas.Text {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

// bytesOf returns a text's bytes, which no one may write to.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }
