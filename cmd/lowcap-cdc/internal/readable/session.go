package readable

import (
	"strings"

	"github.com/tidwall/gjson"
)

// SessionOf makes one readable name of what the server recorded of a session; empty when it recorded nothing.
func SessionOf(session gjson.Result) string {
	if !session.IsObject() {
		return ""
	}
	claims := session.Get("claims")
	for _, name := range []string{"email", "sub"} {
		if who := claims.Get(name).String(); who != "" {
			return who + " (" + session.Get("user").String() + ")"
		}
	}
	text := session.Get("user").String()
	if login := session.Get("session_user").String(); login != "" && login != text {
		text += " (" + login + ")"
	}
	for _, name := range []string{"application", "client_address"} {
		if more := session.Get(name).String(); more != "" {
			text += " " + more
		}
	}
	return strings.TrimSpace(text)
}

// Who names who made a change: who someone said it was, else whom the server recorded; and the reason that was given.
func (l *Line) Who() string {
	who := l.Actor
	if who == "" {
		who = l.Session
	}
	return strings.TrimSpace(who + " " + l.Reason)
}
