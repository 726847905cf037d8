package cdc

import (
	"strings"
	"testing"

	"lowcap-cdc/decode"
)

// TestAttribute: a record counts from where it stands to the end of its transaction, and is read when an event asks for it.
func TestAttribute(t *testing.T) {
	b := newBench(t)
	record := func(user string) *decode.Session {
		return &decode.Session{
			Content: []byte(
				`{"xid":"1","user":"` + user + `","session_user":"s","application":"a","client_address":"10.0.0.1","claims":{"sub":"x"}}`,
			),
		}
	}
	m := b.machine
	m.begin(&decode.Begin{CommitLSN: 1})
	if m.tx.by() != nil {
		t.Error("a transaction without a record has one")
	}
	m.attribute(record("first"))
	if by := m.tx.by(); by == nil || by.User != "first" || by.SessionUser != "s" || *by.ClientAddress != "10.0.0.1" ||
		string(by.Claims) != `{"sub":"x"}` {
		t.Errorf("%+v", by)
	}
	m.attribute(record("second"))
	if by := m.tx.by(); by.User != "second" {
		t.Errorf("%+v", by)
	}
	m.begin(&decode.Begin{CommitLSN: 2})
	if m.tx.by() != nil {
		t.Error("the next transaction has the record of the one before")
	}
	m.attribute(&decode.Session{Content: []byte("{")})
	if m.tx.by() != nil {
		t.Error("nonsense is somebody")
	}
	m.attribute(&decode.Session{Content: []byte(`{"user":"` + "\xff" + `","claims":"` + strings.Repeat("x", longestClaims) + `"}`)})
	if by := m.tx.by(); by == nil || by.User != "\uFFFD" || by.Claims != nil {
		t.Errorf("%+v", by)
	}
}
