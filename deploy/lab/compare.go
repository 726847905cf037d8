package lab

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// baselineID is the id of a baseline in an event that refers to it.
var baselineID = regexp.MustCompile(`"first_event_id":"[^"]*/b`)

// link is an event's number and chain, which follow from every event before it, baselines included.
var link = regexp.MustCompile(`"number":"[0-9]+","chain":"[0-9a-f]{64}",`)

// Comparable returns what two slots on one database must say alike, byte for byte. A baseline is not: it carries its own
// slot's consistent point. An event that refers to one is compared without that place, and every event without its link:
// whether that is right is for a Links to say.
func Comparable(event []byte) (comparable []byte, ok bool) {
	if bytes.Contains(event, []byte(`"op":"baseline"`)) {
		return nil, false
	}
	event = link.ReplaceAll(event, nil)
	return baselineID.ReplaceAll(event, []byte(`"first_event_id":"b`)), true
}

// Links follows the numbers and hashes of a stream's events, as anybody could who has only read docs/events.md.
type Links struct {
	number uint64
	chain  string
}

// Follow returns an error unless the event comes right after the one before it.
func (l *Links) Follow(event []byte) error {
	if !gjson.ValidBytes(event) {
		return fmt.Errorf("the event is not JSON: %.200q", event)
	}
	e := gjson.GetManyBytes(event, "id", "number", "chain")
	if l.number++; l.chain == "" {
		l.chain = strings.Repeat("0", 64)
	}
	if want := strconv.FormatUint(l.number, 10); e[1].Str != want || e[2].Str != l.chain {
		return fmt.Errorf("event %s has number %s and chain %s, want %s and %s", e[0].Str, e[1].Str, e[2].Str, want, l.chain)
	}
	sum := sha256.Sum256(event)
	l.chain = hex.EncodeToString(sum[:])
	return nil
}
