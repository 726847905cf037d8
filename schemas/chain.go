package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Chain is how far the numbering of a source's events has come. The zero value stands before the first event.
//
// Every event carries its number and, in chain, the SHA-256 of the event before it, whose JSON holds the one before
// that: an event that was taken away, put in or altered later does not fit its successor.
type Chain struct {
	Number uint64 // of the last event, from 1 on
	Hash   string // SHA-256 of its JSON in hexadecimal; empty before the first
}

// noPredecessor is the chain of a source's first event.
var noPredecessor = strings.Repeat("0", 2*sha256.Size)

// Next returns the number and the chain of the event after the last one.
func (c *Chain) Next() (number uint64, chain string) {
	if c.Hash == "" {
		return c.Number + 1, noPredecessor
	}
	return c.Number + 1, c.Hash
}

// Add goes on to an event, given as the JSON that was published: a record's value, or a line of events.jsonl.
func (c *Chain) Add(number uint64, event []byte) {
	sum := sha256.Sum256(event)
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum[:])
	c.Number, c.Hash = number, string(text[:])
}
