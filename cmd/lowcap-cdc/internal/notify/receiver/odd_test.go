package receiver

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"lowcap-cdc/sink"
)

// TestOddEvents: whatever an event holds, each receiver gets a request that it can read, within its limits.
func TestOddEvents(t *testing.T) {
	var kind string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !utf8.Valid(body) {
			t.Errorf("%s: %v: %.300q", kind, err, body)
		}
		if kind != "ntfy" && kind != "webhook" && !json.Valid(body) {
			t.Errorf("%s: no JSON: %.300q", kind, body)
		}
		var sent struct{ Text, Content, Message string }
		json.Unmarshal(body, &sent) //nolint:errcheck // looked at above
		if len(utf16.Encode([]rune(sent.Text))) > 8000 || utf8.RuneCountInString(sent.Content) > 2000 || (kind == "ntfy" && len(body) > 4096) {
			t.Errorf("%s: too long: %d bytes", kind, len(body))
		}
	}))
	defer server.Close()
	long := strings.Repeat("\U0001F680<&>_*`[x](y)\\", 20000)
	for _, data := range []string{
		`null`, `[]`, `"x"`, `7`, `{}`, `{"entity":null}`, `{"entity":[]}`, `{"entity":{"token_ticker":null,"timeframe":7}}`,
		`{"entity":{"token_ticker":"\ud800","timeframe":"\u0000\u202e\r\n"},"why":"\ud83d","flags":[1,null,{}]}`,
		`{"price":1e-400,"usd":1e400,"blocked_for_seconds":{"s1":1e300,"s2":-1e300},"size_frac":"NaN","pnl_usd":"Infinity"}`,
		`{"alive_for_seconds":1e30,"wanted_since":"9999-99-99T00:00:00Z","stages":[[[]]],"reminder":-1}`,
		`{"` + strings.ReplaceAll(long, `\`, `\\`) + `":"` + strings.ReplaceAll(long, `\`, `\\`) + `","entity":{"token_ticker":"` + strings.ReplaceAll(long, `\`, `\\`) + `","token_contract":"` + strings.ReplaceAll(long, `\`, `\\`) + `"}}`,
		`{"a":` + strings.Repeat(`{"b":`, 300) + `1` + strings.Repeat(`}`, 300) + `}`,
	} {
		for _, head := range []string{`"id":"i/1","type":"lowcap.emergency_exit.executed.v1","severity":"page","time":"2026-01-18T11:00:00Z","number":7,`,
			`"id":"\r\nX: y","type":"lowcap.\u202e.v9","severity":"loud","time":"never","number":18446744073709551615,`, ``} {
			e := &sink.Stored{Key: []byte("a/b/c"), Value: []byte(`{` + head + `"data":` + data + `}`)}
			for as, config := range each(server.URL) {
				for _, plain := range []bool{false, true} {
					kind = as
					if got := made(t, as, config).Send(t.Context(), Of(e, "https://cdc.example.org/?a=b&c"), plain); got.Kind != Delivered {
						t.Errorf("%s %v: %+v of %.200s", as, plain, got, e.Value)
					}
				}
			}
		}
	}
}
