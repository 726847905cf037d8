package receiver

import (
	"mime"
	"time"

	"lowcap-cdc/schemas"
)

const (
	ntfyLength      = 4000 // bytes; above 4,096 ntfy makes a file of the message (docs.ntfy.sh/publish, limitations)
	ntfyTitleLength = 200  // characters
)

// ntfy publishes to a topic of an ntfy server. Text outside ASCII stands in headers as RFC 2047 encodes it.
type ntfy struct{ url, token string }

func (n *ntfy) isIdempotent() bool { return false }

func (n *ntfy) post(m *Message, plain bool, now time.Time) (post, error) {
	p := post{url: n.url, kind: "text/plain; charset=utf-8", body: []byte(m.Plain(now)), header: map[string]string{}}
	if n.token != "" {
		p.header["Authorization"] = "Bearer " + n.token
	}
	p.header["Priority"] = map[schemas.Severity]string{schemas.Page: "5", schemas.Warn: "3"}[m.Severity]
	if p.header["Priority"] == "" {
		p.header["Priority"] = "2"
	}
	if plain {
		return p, nil
	}
	body := &Message{What: "x", Facts: m.facts(now)} // the title has a header of its own
	text := body.Text(now)[len("x"):]
	if text == "" {
		text = "\n" + m.Title()
	}
	p.body = []byte(cutBytes(text[1:], ntfyLength))
	p.header["Title"] = mime.BEncoding.Encode("utf-8", firstRunes(m.Title(), ntfyTitleLength))
	if m.Link != "" {
		p.header["Click"] = m.Link
	}
	return p, nil
}
