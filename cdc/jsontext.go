package cdc

import (
	"bytes"
	"unsafe"

	"github.com/tidwall/gjson"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// jsonText is a JSON value as it stands in a document: valid, and without white space around it. An empty one is not
// there.
type jsonText []byte

// isNull reports whether a value is null or not there.
func (j jsonText) isNull() bool   { return len(j) == 0 || j[0] == 'n' }
func (j jsonText) isString() bool { return len(j) > 0 && j[0] == '"' }
func (j jsonText) isObject() bool { return len(j) > 0 && j[0] == '{' }
func (j jsonText) isArray() bool  { return len(j) > 0 && j[0] == '[' }
func (j jsonText) isTrue() bool   { return len(j) > 0 && j[0] == 't' }
func (j jsonText) isFalse() bool  { return len(j) > 0 && j[0] == 'f' }
func (j jsonText) isNumber() bool { return len(j) > 0 && (j[0] == '-' || (j[0] >= '0' && j[0] <= '9')) }

// unquoted returns what a string says.
func (j jsonText) unquoted() []byte {
	if bytes.IndexByte(j, '\\') < 0 {
		return j[1 : len(j)-1]
	}
	return []byte(parseJSON(j).Str)
}

// text returns what a string says, nil for anything else.
func (j jsonText) text() schemas.Text {
	if !j.isString() {
		return nil
	}
	s := string(j.unquoted())
	return &s
}

// parseJSON reads raw without a copy; raw must not change as long as the result is used.
func parseJSON(raw []byte) gjson.Result {
	return gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw)))
}

// member is a named value of an object.
type member struct {
	name  []byte
	value jsonText
}

// appendMembers appends the members of an object, in their order.
func appendMembers(dst []member, object jsonText) []member {
	for m := decode.MembersOf(object); m.Next(); {
		dst = append(dst, member{jsonText(m.Name).unquoted(), m.Value()})
	}
	return dst
}

// find returns the first member of a name.
func find(members []member, name string) jsonText {
	for i := range members {
		if string(members[i].name) == name {
			return members[i].value
		}
	}
	return nil
}
