package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// webhook gets the CloudEvent itself, signed when there is a secret: X-Lowcap-Timestamp is in seconds since 1970,
// X-Lowcap-Signature is sha256= and the hexadecimal HMAC-SHA-256 of the timestamp, a dot and the body. A receiver that
// compares both is safe from forged and from replayed requests. A message that is no event is a JSON object with a text.
type webhook struct{ url, secret string }

func (w *webhook) isIdempotent() bool { return true }

func (w *webhook) post(m *Message, plain bool, now time.Time) (p post, err error) {
	p = post{url: w.url, kind: "application/cloudevents+json", header: map[string]string{"Idempotency-Key": headerSafe(m.Reference)}}
	switch {
	case m.Event == nil:
		p.kind = "application/json"
		p.body, err = json.Marshal(map[string]string{"severity": string(m.Severity), "text": m.Text(now), "reference": m.Reference})
	case plain:
		p.body, err = withoutRows(m.Event.Value)
	default:
		p.body = m.Event.Value
	}
	w.sign(&p, now)
	return p, err
}

func (w *webhook) sign(p *post, now time.Time) {
	if w.secret == "" {
		return
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(w.secret))
	mac.Write(append([]byte(stamp+"."), p.body...))
	p.header["X-Lowcap-Timestamp"] = stamp
	p.header["X-Lowcap-Signature"] = "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// withoutRows returns an event without what makes it long: before, after and raw of its data; all of the data where those are no
// object, which no event of ours has.
func withoutRows(event []byte) ([]byte, error) {
	var all, data map[string]json.RawMessage
	if err := json.Unmarshal(event, &all); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	if json.Unmarshal(all["data"], &data) != nil {
		data = nil
	}
	for _, long := range []string{"before", "after", "raw"} {
		delete(data, long)
	}
	shorter, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("write event: %w", err)
	}
	all["data"] = shorter
	return json.Marshal(all)
}

// headerSafe makes a text fit for a header: what is not printable ASCII is percent-encoded.
func headerSafe(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
