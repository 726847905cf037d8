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

// TestSessionArray reads what the trigger leaves to us: a role that is none, a name as it stands in JSON, and claims as they came.
func TestSessionArray(t *testing.T) {
	const request = `["anon","authenticator","","10.0.0.1",`
	long := strings.Repeat("ä", longestClaim+1)
	for _, c := range []struct{ content, user, claims string }{
		{`["none","bot","a \"b\"",null,null,null]`, "bot", ""},
		{`[null,"bot","",null,null,null]`, "bot", ""},
		{`["x\ny \"z","bot","",null,null,null]`, "x\ny \"z", ""},
		{request + `null,"{\"sub\":\"7f\",\"role\":\"anon\",\"email\":null,\"more\":{}}"]`, "anon", `{"sub":"7f","role":"anon","email":null,"client_info":null}`},
		{request + `"supabase-js/2","{}"]`, "anon", `{"sub":null,"role":null,"email":null,"client_info":"supabase-js/2"}`},
		{request + `"a\\u00e4\\n<","{}"]`, "anon", `{"sub":null,"role":null,"email":null,"client_info":"aä\n<"}`},
		{request + `"a\\","{}"]`, "anon", `{"sub":null,"role":null,"email":null,"client_info":"a\\"}`},
		{request + `null,"{\"sub\":7,\"role\":[\"a\"],\"Sub\":\"no\"}"]`, "anon", `{"sub":"7","role":"[\"a\"]","email":null,"client_info":null}`},
		{request + `null,"{\"sub\":\"first\",\"sub\":\"last\"}"]`, "anon", `{"sub":"last","role":null,"email":null,"client_info":null}`},
		{request + `null,"{\"sub\":\"a\\u0000b\"}"]`, "anon", `{"sub":"a` + "\uFFFD" + `b","role":null,"email":null,"client_info":null}`},
		{request + `null,"{\"sub\":\"` + long + `\"}"]`, "anon", `{"sub":"` + long[:2*longestClaim] + `","role":null,"email":null,"client_info":null}`},
		{request + `"c","no json"]`, "anon", ""},
		{request + `"c","[1]"]`, "anon", ""},
		{request + `"c","null"]`, "anon", ""},
		{request + `"c","{} {}"]`, "anon", ""},
		{request + `"c",""]`, "anon", ""},
	} {
		s := readSession([]byte(c.content))
		if s == nil || s.User != c.user || string(s.Claims) != c.claims {
			t.Errorf("%s: %+v, claims %s", c.content, s, s.Claims)
		}
	}
	for _, content := range []string{"", "[", "[]", `["a","b"]`, `["a","b","c","d","e",{}]`, `["a","b","c","d","e","f","g"]`, "7"} {
		if s := readSession([]byte(content)); s != nil {
			t.Errorf("%s: %+v", content, s)
		}
	}
}
