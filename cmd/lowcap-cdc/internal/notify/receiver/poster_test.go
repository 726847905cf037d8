package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// exit is an event of a token whose name is markup to somebody.
func exit() *sink.Stored {
	return &sink.Stored{Value: []byte(`{"specversion":"1.0","id":"7/0/1\r\nX: y","type":"lowcap.emergency_exit.executed.v1","severity":"page",
		"time":"2026-01-18T11:00:00Z","data":{"kind":"structural","price":1e-05,"size_frac":1,"proceeds_usd":60.0,
		"entity":{"token_ticker":"<!channel> @all *b* & https://evil.example","token_contract":"So1","timeframe":"1h"},
		"before":{"raw":1},"after":null,"flags":[],"origin":{"op":"update"}}}`)}
}

// each returns a configuration of each receiver that speaks HTTP, at a server.
func each(base string) map[string]Config {
	return map[string]Config{
		"telegram": {To: base, Secret: "123:TOKEN", Chat: "-100"}, "discord": {To: base + "/api/webhooks/1/HOOK"},
		"slack": {To: base + "/services/T/B/HOOK"}, "ntfy": {To: base + "/topic", Secret: "tk_1"},
		"pagerduty": {To: base, Secret: "R0UTINGKEY"}, "opsgenie": {To: base + "/v2/alerts", Secret: "G3NIE"},
		"alertmanager": {To: base}, "webhook": {To: base + "/hook", Secret: "sesame"},
	}
}

func made(t *testing.T, as string, c Config) Receiver {
	t.Helper()
	c.As = as
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAnswers lets every receiver give every answer that an API documents, and some that none should.
func TestAnswers(t *testing.T) {
	for _, answer := range []struct {
		name   string
		status int
		header string // Retry-After
		body   string
		want   Answer
	}{
		{name: "taken", status: 200, body: `{"ok":true}`, want: Answer{Kind: Delivered}},
		{name: "accepted", status: 202, want: Answer{Kind: Delivered}},
		{name: "no content", status: 204, want: Answer{Kind: Delivered}},
		{name: "moved", status: 302, want: Answer{Kind: Misset}},
		{name: "moved for good", status: 308, want: Answer{Kind: Misset}},
		{name: "bad request", status: 400, body: `{"ok":false,"description":"Bad Request: message is too long"}`, want: Answer{Kind: Refused}},
		{name: "http at a TLS port", status: 400, body: "Client sent an HTTP request to an HTTPS server.", want: Answer{Kind: Misset}},
		{name: "wrong token", status: 401, want: Answer{Kind: Misset}},
		{name: "forbidden", status: 403, want: Answer{Kind: Misset}},
		{name: "not found", status: 404, want: Answer{Kind: Misset}},
		{name: "wrong method", status: 405, want: Answer{Kind: Misset}},
		{name: "gone", status: 410, want: Answer{Kind: Misset}},
		{name: "too large", status: 413, want: Answer{Kind: Refused}},
		{name: "unprocessable", status: 422, want: Answer{Kind: Refused}},
		{name: "slower, by header", status: 429, header: "7", want: Answer{Kind: Wait, After: 7 * time.Second}},
		{name: "slower, as Telegram says it", status: 429, body: `{"ok":false,"parameters":{"retry_after":5}}`, want: Answer{Kind: Wait, After: 5 * time.Second}},
		{name: "slower, as Discord says it", status: 429, body: `{"retry_after":0.65,"global":false}`, want: Answer{Kind: Wait, After: 650 * time.Millisecond}},
		{name: "slower, without a time", status: 429, want: Answer{Kind: Wait}},
		{name: "slower, for ever", status: 429, header: "1e300", want: Answer{Kind: Wait, After: longestWait}},
		{name: "slower, until a time that has been", status: 429, header: "Mon, 02 Jan 2006 15:04:05 GMT", want: Answer{Kind: Wait}},
		{name: "slower, before now", status: 429, header: "-5", want: Answer{Kind: Wait}},
		{name: "slower, by no number", status: 429, header: "NaN", want: Answer{Kind: Wait}},
		{name: "slower, in words", status: 429, header: "soon", body: `{"retry_after":2}`, want: Answer{Kind: Wait, After: 2 * time.Second}},
		{name: "broken, by a proxy", status: 502, body: "<html>\xff\xfe\x1b[2J", want: Answer{Kind: Failed, Arrived: true}},
		{name: "broken", status: 500, want: Answer{Kind: Failed, Arrived: true}},
		{name: "overloaded", status: 503, header: "3", want: Answer{Kind: Wait, After: 3 * time.Second, Arrived: true}},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Errorf("%s: a redirect was followed", answer.name)
			}
			w.Header().Set("Location", "/elsewhere?SECRET")
			if answer.header != "" {
				w.Header().Set("Retry-After", answer.header)
			}
			w.WriteHeader(answer.status)
			io.WriteString(w, answer.body) //nolint:errcheck // a test
		}))
		for as, config := range each(server.URL) {
			got := made(t, as, config).Send(t.Context(), Of(exit(), ""), false)
			if got.Kind != answer.want.Kind || got.After != answer.want.After || got.Arrived != answer.want.Arrived {
				t.Errorf("%s, %s: %+v, want %+v", as, answer.name, got, answer.want)
			}
			if got.Kind != Delivered && (got.Detail == "" || strings.Contains(got.Detail, "SECRET")) {
				t.Errorf("%s, %s: detail %q", as, answer.name, got.Detail)
			}
		}
		server.Close()
	}
}

// TestAnswersThatAreNone are connections that give no answer, or one without an end.
func TestAnswersThatAreNone(t *testing.T) {
	serve := func(handler http.HandlerFunc) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) //nolint:errcheck // else the server does not see that the client goes
			handler(w, r)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	plain := httptest.NewUnstartedServer(http.NotFoundHandler())
	plain.StartTLS()
	t.Cleanup(plain.Close)
	const soon = time.Minute // on a machine that does other things as well
	for _, c := range []struct {
		name, url string
		within    time.Duration
		want      Answer
	}{
		{"nobody listens", "http://127.0.0.1:1", soon, Answer{Kind: Failed}},
		{"it hangs", serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), 2 * time.Second, Answer{Kind: Failed, Arrived: true}},
		{"it hangs up", serve(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack() //nolint:errcheck // a test
			conn.Close()                             //nolint:errcheck // that is the test
		}), soon, Answer{Kind: Failed, Arrived: true}},
		{"TLS where none was expected", strings.Replace(plain.URL, "https", "http", 1), soon, Answer{Kind: Misset}},
		{"no TLS where it was expected", strings.Replace(serve(func(http.ResponseWriter, *http.Request) {}), "http", "https", 1), soon, Answer{Kind: Misset}},
		{"a login page", serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "\n<html>Welcome") }), soon, Answer{Kind: Misset}},                           //nolint:errcheck // a test
		{"a login page of an editor", serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "\uFEFF<!doctype html>Welcome") }), soon, Answer{Kind: Misset}}, //nolint:errcheck // a test
		{"ok: false", serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"ok":false,"error_code":400}`) }), soon, Answer{Kind: Refused}},               //nolint:errcheck // a test
		{"a body without an end", serve(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.Write(bytes.Repeat([]byte("x"), 1000)) //nolint:errcheck // until it is cut
			}
		}), 5 * time.Second, Answer{Kind: Delivered}},
		{"a slow body", serve(func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("x")) //nolint:errcheck // a test
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}), 5 * time.Second, Answer{Kind: Delivered}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), c.within)
		got := made(t, "telegram", Config{To: c.url, Secret: "123:TOKEN", Chat: "1"}).Send(ctx, Of(exit(), ""), false)
		cancel()
		if got.Kind != c.want.Kind || got.Arrived != c.want.Arrived || strings.Contains(got.Detail, "TOKEN") {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestRequests are what each receiver is sent; the name of the token is markup to most of them.
func TestRequests(t *testing.T) {
	var path, title, key string
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		path, title, key = r.URL.RequestURI(), r.Header.Get("Title"), r.Header.Get("Idempotency-Key")
		body, _ = io.ReadAll(r.Body) //nolint:errcheck // a test
	}))
	defer server.Close()
	for as, config := range each(server.URL) {
		for _, plain := range []bool{false, true} {
			if got := made(t, as, config).Send(t.Context(), Of(exit(), "https://page.example"), plain); got.Kind != Delivered {
				t.Fatalf("%s: %+v", as, got)
			}
			text := string(body)
			for _, markup := range []string{"<!channel>", "@all *b*"} {
				if as != "webhook" && as != "alertmanager" && as != "opsgenie" && as != "pagerduty" && as != "ntfy" && plain && strings.Contains(text, markup) {
					t.Errorf("%s: %q in %s", as, markup, text)
				}
			}
			if as != "ntfy" && !json.Valid(body) {
				t.Errorf("%s: %s", as, text)
			}
		}
		switch as {
		case "telegram":
			if path != "/bot123:TOKEN/sendMessage" {
				t.Errorf("telegram: %s", path)
			}
		case "pagerduty":
			if path != "/v2/enqueue" || !strings.Contains(string(body), `"dedup_key":"7/0/1\r\nX: y"`) {
				t.Errorf("pagerduty: %s %s", path, body)
			}
		case "discord":
			if path != "/api/webhooks/1/HOOK?wait=true" {
				t.Errorf("discord: %s", path)
			}
		case "webhook":
			if key != "7/0/1%0D%0AX: y" || strings.Contains(string(body), "before") || !strings.Contains(string(body), "proceeds_usd") {
				t.Errorf("webhook: key %q, %s", key, body)
			}
		case "ntfy":
			if title != "" {
				t.Errorf("ntfy: a plain message has the title %q", title)
			}
		}
	}
}

// TestTexts is what people see, by day.
func TestTexts(t *testing.T) {
	m := Of(exit(), "https://page.example")
	m.Repeat = true
	now := time.Date(2026, 1, 18, 11, 0, 12, 0, time.UTC)
	if got, want := (&telegram{}).text(m, now), "<b>🚨 Emergency exit</b> <code>&lt;!channel&gt; @all *b* &amp; https://evil.example</code> <code>1h</code>\n"+
		"why: <code>structural exit</code>\nprice: <code>0.00001</code>\nplanned share: <code>100 %</code>\nproceeds: <code>60 USD</code>\n"+
		"when: <code>12s ago (2026-01-18 11:00:00 UTC)</code>\nnote: <code>may be a repeat</code>\nhttps://page.example"; got != want {
		t.Errorf("telegram\n got %s\nwant %s", got, want)
	}
	if got, want := (&discord{}).text(m, now), `**🚨 Emergency exit\: \<\!channel\> \@all \*b\* & https\://evil.example 1h**`; !strings.HasPrefix(got, strings.ReplaceAll(want, `\!`, "!")) {
		t.Errorf("discord\n got %s\nwant %s", got, want)
	}
	if got, want := m.Plain(now), "may be a repeat, page: Emergency exit:   channel   all  b    https:  evil.example 1h, 12s ago, why structural exit, price 0.00001, planned share 100 %, proceeds 60 USD"; got != want {
		t.Errorf("plain\n got %s\nwant %s", got, want)
	}
}

// TestUnknownTypeHasAText: a later version's event is told by its own words.
func TestUnknownTypeHasAText(t *testing.T) {
	m := Of(&sink.Stored{Value: []byte(`{"type":"lowcap.margin_call.came_in.v1","severity":"page","id":"1","data":{"depth":{"usd":12.345},"entity":{"token_ticker":"WIF","timeframe":"1h"}}}`)}, "")
	if got, want := m.Text(time.Now()), "Margin call: came in: WIF 1h\ndepth usd: 12.35"; got != want && got != "Margin call: came in: WIF 1h\ndepth usd: 12.34" {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestEveryTypeHasAText: no field of the contract makes a text too long for a receiver, and none is empty.
func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("<@x\u202e\x1b", 5000)
	event, err := json.Marshal(map[string]any{"type": "lowcap.stream.gap.v1", "severity": "page", "id": long, "time": "2026-01-18T11:00:00Z",
		"data": map[string]any{"why": long, "a": long, "b": long, "c": long, "d": long, "e": long, "f": long, "entity": map[string]any{"token_ticker": long, "timeframe": long}}})
	if err != nil {
		t.Fatal(err)
	}
	m, now := Of(&sink.Stored{Value: event}, "https://page.example"), time.Now()
	if n := len([]rune((&discord{}).text(m, now))); n > discordLength || n < 1000 {
		t.Errorf("discord: %d characters", n)
	}
	if n := utf16Length(strings.NewReplacer("&lt;", "<").Replace((&telegram{}).text(m, now))); n < 1000 || n > 2*telegramLength {
		t.Errorf("telegram: %d", n)
	}
	if n := len([]rune(m.Plain(now))); n > plainLength {
		t.Errorf("plain: %d", n)
	}
	for as, config := range each("http://x") {
		config.As = as
		of, err := formatOf(config)
		if err != nil {
			t.Fatal(err)
		}
		if made, err := of.post(m, false, now); err != nil || (as == "ntfy" && len(made.body) > ntfyLength) {
			t.Errorf("%s: %v, %d bytes", as, err, len(made.body))
		}
	}
}

func TestShort(t *testing.T) {
	for raw, want := range map[string]string{"60.0": "60", "1234.567": "1234.57", "0.00001234567": "0.00001235", "0": "0", "-0.5": "-0.5", "1e-05": "0.00001",
		"1e300": "1e300", "0.1": "0.1", "0.9999": "0.9999"} {
		if got := Short(raw); got != want {
			t.Errorf("%s is told as %s, want %s", raw, got, want)
		}
	}
}

func TestSettingsAreNamed(t *testing.T) {
	for _, c := range []struct {
		config Config
		says   string
	}{
		{Config{As: "telegram", To: "https://x", Secret: "t"}, "chat"},
		{Config{As: "telegram", To: "https://x", Chat: "1"}, "token-file"},
		{Config{As: "pagerduty", To: "https://x"}, "token-file"},
		{Config{As: "webhook", To: "ftp://x"}, "URL"},
		{Config{As: "fax", To: "https://x"}, "alertmanager, discord"},
		{Config{As: "email", To: "https://x"}, "smtps://"},
		{Config{As: "email", To: "smtps://x"}, "recipients"},
		{Config{As: "email", To: "smtps://x", From: "nobody", MailTo: []string{"a@b.example"}}, "nobody"},
	} {
		if _, err := New(c.config); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want a word of %q", c.config, err, c.says)
		}
	}
	if m := (&Message{Severity: schemas.Page}); m.Title() != "" {
		t.Errorf("%q", m.Title())
	}
}
