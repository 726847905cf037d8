package receiver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
)

// Receiver is who gets messages.
type Receiver interface {
	// Send sends a message once and waits for the answer, ten seconds at most. plain asks for the shortest form.
	Send(ctx context.Context, m *Message, plain bool) Answer
	// IsIdempotent reports whether the receiver itself knows a second copy of a message, by its reference.
	IsIdempotent() bool
}

// Config says who a receiver is. Secrets are values here; where they come from is the caller's matter.
type Config struct {
	As       string   // one of Kinds
	To       string   // the base of Telegram's and PagerDuty's API, and of an Alertmanager; else the whole URL
	Secret   string   // the token, key or password; for a webhook what it is signed with
	Chat     string   // Telegram: a number or @channel
	From     string   // e-mail: the address that it comes from
	MailTo   []string // e-mail: the addresses that it goes to
	MailUser string   // e-mail: who logs in; empty for nobody
}

// kinds are the receivers, and whether a human being reads what they get.
var kinds = map[string]bool{
	"telegram": true, "discord": true, "slack": true, "ntfy": true, "email": true,
	"pagerduty": false, "opsgenie": false, "alertmanager": false, "webhook": false,
}

// Kinds returns what Config.As may be, in alphabetical order.
func Kinds() []string {
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// IsForPeople reports whether a kind of receiver shows messages to people: several may be told as one.
func IsForPeople(kind string) bool { return kinds[kind] }

// New returns the receiver of a configuration. It does not connect. An error says what is missing.
func New(c Config) (Receiver, error) {
	if c.As == "email" {
		return newEmail(c)
	}
	if !IsURL(c.To) {
		return nil, errors.New("to is not a URL like https://host/path")
	}
	of, err := formatOf(c)
	if err != nil {
		return nil, err
	}
	return &poster{format: of, client: newClient(), isAPI: c.As != "webhook", secrets: []string{c.Secret, c.To}}, nil
}

// IsURL reports whether a text is the whole address of something that is asked by HTTP.
func IsURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && hasHost(u)
}

// hasHost reports whether a URL names a host, and a port that there can be, if it names one.
func hasHost(u *url.URL) bool {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Hostname() != "" && (u.Port() == "" || (err == nil && port > 0))
}

func formatOf(c Config) (format, error) {
	needsSecret := fmt.Errorf("as: %s needs token-file, token-env or their flags", c.As)
	switch c.As {
	case "telegram":
		if c.Chat == "" {
			return nil, errors.New("as: telegram needs chat: the number of the chat, or @channel")
		}
		return &telegram{c.To, c.Secret, c.Chat}, unless(c.Secret != "", needsSecret)
	case "discord":
		return &discord{c.To}, nil
	case "slack":
		return &slack{c.To}, nil
	case "ntfy":
		return &ntfy{c.To, c.Secret}, nil
	case "pagerduty":
		return &pagerduty{c.To, c.Secret}, unless(c.Secret != "", needsSecret)
	case "opsgenie":
		return &opsgenie{c.To, c.Secret}, unless(c.Secret != "", needsSecret)
	case "alertmanager":
		return &alertmanager{c.To}, nil
	case "webhook":
		return &webhook{c.To, c.Secret}, nil
	}
	return nil, fmt.Errorf("as: %q is none of %s", c.As, strings.Join(Kinds(), ", "))
}

func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

// mark stands before a title, so that what is urgent is seen before it is read.
func mark(s schemas.Severity) string {
	switch s {
	case schemas.Page:
		return "🚨 "
	case schemas.Warn:
		return "⚠️ "
	}
	return ""
}

// shortReference returns a reference of at most n characters: a longer one is replaced by its digest.
func shortReference(reference string, n int) string {
	if len(reference) <= n {
		return reference
	}
	sum := sha256.Sum256([]byte(reference))
	return hex.EncodeToString(sum[:])
}

// cutBytes returns at most n bytes of a text, and no half character.
func cutBytes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// event is the name of the event's type; empty for a message that is not one event.
func (m *Message) event() string {
	if m.Event == nil {
		return ""
	}
	a := m.Event.Attributes()
	return readable.Printable(a.Type.Name())
}

func (m *Message) contract() string {
	if m.Event == nil {
		return ""
	}
	return readable.Describe(m.Event).Contract
}
