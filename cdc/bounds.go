package cdc

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/schemas"
)

// What comes from the database has no bound of its own, and an event has one: a topic takes no message of more than 1 MB.
const (
	maxRaw    = 256 << 10 // bytes of a raw value that an event carries whole
	maxRaws   = 4 << 20   // bytes of raw values that the events of one change carry whole, together
	maxLevels = 500       // levels of a raw value; a consumer's parser may refuse the whole event from 1,000 on
	rawHead   = 1 << 10   // bytes of a value beyond those that it still shows

	maxSaid  = 4 << 10 // bytes of an annotation's actor and reason
	maxText  = 1 << 10 // bytes of any other text
	maxName  = 256     // bytes of a name in a list
	maxNames = 100     // names in a list

	maxEvent = 960 << 10 // bytes of a whole event; what is left of a topic's limit is for its headers
)

// shorten returns a text of at most limit bytes as it is. Of a longer one it returns the beginning and the digest, which
// together are always longer than limit.
func shorten(text []byte, limit int) []byte {
	if len(text) <= limit {
		return text
	}
	sum := sha256.Sum256(text)
	return cut(text, limit, len(text), sum[:])
}

// cut returns the beginning of a text of so many bytes, and its digest.
func cut(text []byte, limit, size int, sum []byte) []byte {
	end := limit
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Appendf(nil, "%s… [%d bytes, sha256 %s]", text[:end], size, hex.EncodeToString(sum))
}

// shortenString does with what a JSON string says as shorten does with a text, and makes no copy of a large one.
func shortenString(quoted jsonb.Text, limit int) []byte {
	if len(quoted) <= limit {
		return quoted.Unquoted()
	}
	var head []byte
	size, digest := 0, sha256.New()
	for piece := range quoted.Pieces {
		if len(head) <= limit {
			head = append(head, piece...)
		}
		size += len(piece)
		digest.Write(piece)
	}
	if size <= limit {
		return head
	}
	return cut(head, limit, size, digest.Sum(nil))
}

// short returns a text as the next event may carry it.
func (c *change) short(text []byte) []byte { return c.within(maxText, text) }

func (c *change) within(limit int, text []byte) []byte {
	if len(text) > limit {
		c.markOnce(schemas.TextTruncated)
	}
	return shorten(text, limit)
}

// text returns a copy of a member's text as the next event may carry it, null where the value tells none.
func (c *change) text(v *value, name string) schemas.Text { return c.textOf(v.get(name)) }

func (c *change) textOf(member jsonb.Text) schemas.Text {
	if !member.IsString() {
		return nil
	}
	text := shortenString(member, maxText)
	if len(text) > maxText { // what was cut is longer, by its digest
		c.markOnce(schemas.TextTruncated)
	}
	s := c.strings.keep(text)
	return &s
}

// names returns a list of names as the next event may carry it.
func (c *change) names(list []string) []string {
	if len(list) > maxNames {
		c.markOnce(schemas.TextTruncated)
		list = list[:maxNames]
	}
	for i, name := range list {
		list[i] = string(c.within(maxName, bytesOf(name)))
	}
	return list
}

// whole returns a part of a row's key as all events of the change may carry it.
func (c *change) whole(part string) string {
	if len(part) <= maxText {
		return part
	}
	c.flagOnce(schemas.TextTruncated)
	return string(shorten(bytesOf(part), maxText))
}

// flagOnce adds a flag to all events of the change, unless they have it.
func (c *change) flagOnce(f schemas.Flag) {
	for _, flag := range c.flags {
		if flag == f {
			return
		}
	}
	c.flags = append(c.flags, f)
}

// markOnce adds a flag to the next event, unless it has it.
func (c *change) markOnce(f schemas.Flag) {
	for _, list := range [...][]schemas.Flag{c.marks, c.flags} {
		for _, flag := range list {
			if flag == f {
				return
			}
		}
	}
	c.marks = append(c.marks, f)
}

// bound returns a raw value as an event may carry it. One that is too large for a message, or too much for a consumer's
// parser, is replaced by its digest and its beginning; the row in the database still has it.
func (c *change) bound(raw []byte) schemas.Raw {
	if len(raw) <= maxRaw && (len(raw) <= rawHead || c.raws+len(raw) <= maxRaws) && !jsonb.Exceeds(raw, maxLevels, jsonb.MaxDigits) {
		c.raws += len(raw)
		return raw
	}
	c.markOnce(schemas.RawTruncated)
	return truncated(raw)
}

func truncated(raw []byte) schemas.Raw {
	sum := sha256.Sum256(raw)
	short, err := json.Marshal(struct {
		Bytes  int    `json:"truncated_bytes"`
		SHA256 string `json:"sha256"`
		Head   string `json:"head"`
	}{len(raw), hex.EncodeToString(sum[:]), string(raw[:min(rawHead, len(raw))])})
	if err != nil {
		return nil // two strings and a number always marshal
	}
	return short
}
