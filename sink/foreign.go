package sink

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/tidwall/gjson"
)

// Foreign is a record in an event topic that is no event: someone else wrote it, or its bytes are broken. It is
// an error only where there is no handler for it.
type Foreign struct {
	Topic     string // with its prefix
	Partition int
	Offset    int64
	Size      int    // of the value, in bytes; of the batch where that cannot be read
	Why       string // one line of printable text
}

// Error returns one line that says where the record is and what is wrong with it.
func (f *Foreign) Error() string {
	return fmt.Sprintf("%s/%d at %d: a record of %d bytes that is no event: %s", f.Topic, f.Partition, f.Offset, f.Size, f.Why)
}

const sequenceDigits = 32

// IsSequence reports whether a text is a sequence: 32 hexadecimal digits.
func IsSequence(text string) bool {
	return len(text) == sequenceDigits && strings.Trim(text, "0123456789ABCDEFabcdef") == ""
}

// NotEvent says why the value is no event of lowcap-cdc, in printable text; it is empty for an event. It looks at the
// envelope only: what the data may hold is the contract's business.
func (s *Stored) NotEvent() string {
	switch {
	case s.Value == nil:
		return "a tombstone"
	case len(s.Value) == 0:
		return "it is empty"
	case !gjson.ValidBytes(s.Value):
		return fmt.Sprintf("no JSON, it begins with %.24q", s.Value)
	}
	if version := gjson.GetBytes(s.Value, "specversion").String(); version != "1.0" {
		return fmt.Sprintf("specversion %.24q", version)
	}
	a := s.Attributes()
	for _, attribute := range []struct{ name, value string }{{"id", a.ID}, {"source", a.Source}, {"type", string(a.Type)}} {
		if attribute.value == "" || strings.ContainsFunc(attribute.value, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Sprintf("%s %.80q", attribute.name, attribute.value)
		}
	}
	switch {
	case !strings.HasPrefix(string(a.Type), "lowcap."):
		return fmt.Sprintf("type %.80q", a.Type)
	case !IsSequence(a.Sequence):
		return fmt.Sprintf("sequence %.80q", a.Sequence)
	}
	if _, err := time.Parse(time.RFC3339Nano, a.Time); err != nil {
		return fmt.Sprintf("time %.80q", a.Time)
	}
	return ""
}
