package cdc

import (
	"encoding/json"
	"strings"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// longestClaims is how many bytes of claims an event takes.
const longestClaims = 4 << 10

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

func readSession(content []byte) *schemas.Session {
	var s struct {
		User          string          `json:"user"`
		SessionUser   string          `json:"session_user"`
		Application   string          `json:"application"`
		ClientAddress schemas.Text    `json:"client_address"`
		Claims        json.RawMessage `json:"claims"`
	}
	if json.Unmarshal([]byte(strings.ToValidUTF8(string(content), "\uFFFD")), &s) != nil {
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
