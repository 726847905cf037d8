package receiver

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/golden"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// TestScreens writes docs/screens.md: what each app shows of real messages. The bytes are those that the receivers send; what an
// app does with them (markup, escapes) is undone as its documentation says.
func TestScreens(t *testing.T) {
	var b strings.Builder
	b.WriteString("# What a person sees\n\nThe same messages in each app, taken from what is sent. Written by\n" +
		"`go test ./cmd/lowcap-cdc/internal/notify/receiver -run TestScreens -update`. The routes: [alerting.md](alerting.md).\n")
	m, warning := shown(t, "emergency_exit.executed"), shown(t, "entry_block.orphaned")
	repeat := *m
	repeat.Repeat = true
	for _, one := range []struct {
		title string
		m     *Message
	}{
		{"An emergency exit", m},
		{"A second copy", &repeat},
		{"A warning", warning},
		{"The stream stands", &Message{Severity: schemas.Page, What: "The stream does not move", At: m.At, Link: m.Link, Facts: []Fact{{"since", "1m2s"}, {"meaning", "no exit and no other event is seen until it moves again; run: lowcap-cdc status"}}}},
	} {
		fmt.Fprintf(&b, "\n## %s\n", one.title)
		now := one.m.At.Add(12 * time.Second)
		for _, as := range []string{"telegram", "discord", "slack", "ntfy", "email", "pagerduty", "opsgenie"} {
			lines := screen(t, as, one.m, now)
			if one.title == "A second copy" && !IsForPeople(as) {
				continue // it shows no second copy
			}
			fmt.Fprintf(&b, "\n%s\n\n```text\n%s\n```\n", names[as], framed(lines))
		}
	}
	golden.Compare(t, "../../../../../docs/screens.md", b.String())
}

var names = map[string]string{"telegram": "Telegram", "discord": "Discord", "slack": "Slack", "ntfy": "ntfy", "email": "E-mail",
	"pagerduty": "PagerDuty", "opsgenie": "Opsgenie"}

// shown returns the message of the first recorded event of a type. Its time and place are those of no recording.
func shown(t *testing.T, name string) *Message {
	t.Helper()
	content, err := os.ReadFile("../../../../../schemas/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		e := &sink.Stored{Value: []byte(strings.TrimSuffix(line, "\n"))}
		if a := e.Attributes(); a.Type.Name() == name {
			m := Of(e, "https://cdc.example.org")
			m.At = time.Date(2026, 1, 18, 11, 0, 0, 0, time.UTC)
			m.Trail = "4711:" + strings.Repeat("1f0e8a6e7b1a0b3c", 4)
			return m
		}
	}
	t.Fatalf("no %s is recorded", name)
	return nil
}

var tag = regexp.MustCompile(`</?(b|code)>`)
var escape = regexp.MustCompile(`\\(.)`)

// screen returns what an app shows of what it is sent.
func screen(t *testing.T, as string, m *Message, now time.Time) string {
	t.Helper()
	if as == "email" {
		return mailed(t, m, now)
	}
	of, err := formatOf(Config{As: as, To: "https://receiver.example", Secret: "x", Chat: "1"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := of.post(m, false, now)
	if err != nil {
		t.Fatal(err)
	}
	switch body := string(p.body); as {
	case "telegram":
		return html.UnescapeString(tag.ReplaceAllString(gjson.Get(body, "text").String(), ""))
	case "discord":
		return escape.ReplaceAllString(strings.ReplaceAll(gjson.Get(body, "content").String(), "**", ""), "$1")
	case "slack":
		return gjson.Get(body, "blocks.0.text.text").String()
	case "ntfy":
		title, err := new(mime.WordDecoder).DecodeHeader(p.header["Title"])
		if err != nil {
			t.Fatal(err)
		}
		return "priority " + p.header["Priority"] + ", a tap opens " + p.header["Click"] + "\n" + title + "\n" + body
	case "pagerduty":
		return "[" + gjson.Get(body, "payload.severity").String() + "] " + gjson.Get(body, "payload.summary").String() + "\n" + details(t, gjson.Get(body, "payload.custom_details").Raw) +
			gjson.Get(body, "links.0.href").String()
	default:
		return gjson.Get(body, "priority").String() + " " + gjson.Get(body, "message").String() + "\n" + gjson.Get(body, "description").String()
	}
}

func details(t *testing.T, raw string) string {
	t.Helper()
	all := make(map[string]string)
	if err := json.Unmarshal([]byte(raw), &all); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	gjson.Parse(raw).ForEach(func(name, value gjson.Result) bool {
		b.WriteString(name.String() + ": " + value.String() + "\n")
		return true
	})
	return b.String()
}

func mailed(t *testing.T, m *Message, now time.Time) string {
	t.Helper()
	r, err := newEmail(Config{To: "smtps://mail.example", From: "cdc@example.org", MailTo: []string{"anna@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	read, err := mail.ReadMessage(strings.NewReader(string(r.message(m, false, now))))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(read.Body))
	if err != nil {
		t.Fatal(err)
	}
	return "Subject: " + subject + "\n\n" + strings.ReplaceAll(string(body), "\r\n", "\n")
}

// framed draws a frame at the left: lines may be long.
func framed(text string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		lines = append(lines, strings.TrimRight("│ "+line, " \n"))
	}
	return strings.Join(lines, "\n")
}
