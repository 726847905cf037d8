package cdc

import (
	"bytes"
	"encoding/json"
	"strings"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// What an event takes of claims, in bytes; and of one of them, in characters.
const (
	longestClaims = 4 << 10
	longestClaim  = 200
)

// attribute takes in who makes the transaction, as the server records it. The source has checked that it does.
func (m *machine) attribute(s *decode.Session) {
	m.who = append(m.who[:0], s.Content...)
	m.tx.who, m.tx.session = m.who, nil
}

// by returns who makes the transaction, nil where the server records nothing. Most transactions give no event, and no one
// asks.
func (tx *transaction) by() *schemas.Session {
	if tx.session == nil && len(tx.who) > 0 {
		tx.session = readSession(tx.who)
		tx.who = nil
	}
	return tx.session
}

// readSession reads the JSON of a record: an array, or the object that the trigger of older versions wrote. nil when it is neither.
func readSession(content []byte) *schemas.Session {
	content = bytes.ToValidUTF8(content, []byte("\uFFFD"))
	if len(content) > 0 && content[0] == '[' {
		return readSessionArray(content)
	}
	var s struct {
		User          string          `json:"user"`
		SessionUser   string          `json:"session_user"`
		Application   string          `json:"application"`
		ClientAddress schemas.Text    `json:"client_address"`
		Claims        json.RawMessage `json:"claims"`
	}
	if json.Unmarshal(content, &s) != nil {
		return nil
	}
	claims := schemas.Raw(s.Claims)
	if jsonb.Text(claims).IsNull() || len(claims) > longestClaims {
		claims = nil
	}
	return &schemas.Session{
		User:          s.User,
		SessionUser:   s.SessionUser,
		Application:   s.Application,
		ClientAddress: s.ClientAddress,
		Claims:        claims,
	}
}

// readSessionArray reads [role, session user, application, client's address, client's name, claims]. The trigger leaves to us what
// would cost each write some time: role is what SHOW role prints, the name stands as between the quotes of a JSON string, and the
// claims are as they came with the request.
func readSessionArray(content []byte) *schemas.Session {
	var all []schemas.Text
	if json.Unmarshal(content, &all) != nil || len(all) != 6 {
		return nil
	}
	s := &schemas.Session{User: orEmpty(all[0]), SessionUser: orEmpty(all[1]), Application: orEmpty(all[2]), ClientAddress: all[3]}
	if s.User == "" || s.User == "none" {
		s.User = s.SessionUser
	}
	s.Claims = claimsOf(orEmpty(all[5]), orEmpty(all[4]))
	return s
}

// orEmpty returns a text, the empty one for null.
func orEmpty(text schemas.Text) string {
	if text == nil {
		return ""
	}
	return *text
}

// claimsOf returns what an event says of a request's claims, nil when they are no JSON object.
func claimsOf(text, client string) schemas.Raw {
	var all map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &all) != nil || all == nil {
		return nil
	}
	said := struct {
		Sub        schemas.Text `json:"sub"`
		Role       schemas.Text `json:"role"`
		Email      schemas.Text `json:"email"`
		ClientInfo schemas.Text `json:"client_info"`
	}{claim(all["sub"]), claim(all["role"]), claim(all["email"]), unescaped(client)}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(said) != nil {
		return nil
	}
	return bytes.TrimSpace(out.Bytes())
}

// claim returns a claim as text, shortened; nil when it is not there, or null.
func claim(value json.RawMessage) schemas.Text {
	if len(value) == 0 || string(value) == "null" {
		return nil
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		text = string(value)
	}
	return shortened(text)
}

// unescaped returns what stood between the quotes of a JSON string, perhaps not to its end.
func unescaped(inner string) schemas.Text {
	if inner == "" {
		return nil
	}
	var text string
	if json.Unmarshal([]byte(`"`+inner+`"`), &text) != nil {
		text = inner
	}
	return shortened(text)
}

// shortened returns the beginning of a text, without the one character that Postgres cannot keep.
func shortened(text string) schemas.Text {
	text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	n := 0
	for at := range text {
		if n++; n > longestClaim {
			text = text[:at]
			break
		}
	}
	return &text
}
