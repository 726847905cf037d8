package lab

import (
	"bytes"
	"regexp"
)

// baselineID is the id of a baseline in an event that refers to it.
var baselineID = regexp.MustCompile(`"first_event_id":"[^"]*/b`) //nolint:gochecknoglobals // a constant

// Comparable returns what two slots on one database must say alike, byte for byte. A baseline is not: it carries its own
// slot's consistent point. An event that refers to one is compared without that place.
func Comparable(event []byte) (comparable []byte, ok bool) {
	if bytes.Contains(event, []byte(`"op":"baseline"`)) {
		return nil, false
	}
	return baselineID.ReplaceAll(event, []byte(`"first_event_id":"b`)), true
}
