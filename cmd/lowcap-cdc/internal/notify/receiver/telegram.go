package receiver

import (
	"encoding/json"
	"html"
	"strings"
	"time"
	"unicode/utf16"
)

// telegramLength is how many UTF-16 code units a text may have after its markup is read (core.telegram.org/bots/api#sendmessage).
const telegramLength = 4096

// telegram speaks the Bot API. What strangers wrote stands in <code>, in which Telegram finds no mention, link, hashtag or
// command.
type telegram struct{ base, token, chat string }

func (t *telegram) isIdempotent() bool { return false }

func (t *telegram) post(m *Message, plain bool, now time.Time) (post, error) {
	text := map[string]any{"chat_id": t.chat, "link_preview_options": map[string]bool{"is_disabled": true}}
	if plain {
		text["text"] = m.Plain(now)
	} else {
		text["text"], text["parse_mode"] = t.text(m, now), "HTML"
	}
	body, err := json.Marshal(text)
	return post{url: strings.TrimSuffix(t.base, "/") + "/bot" + t.token + "/sendMessage", kind: "application/json", body: body}, err
}

func (t *telegram) text(m *Message, now time.Time) string {
	var b strings.Builder
	b.WriteString("<b>" + html.EscapeString(mark(m.Severity)+m.What) + "</b>")
	if m.Token != "" {
		b.WriteString(" " + code(m.Token) + " " + code(m.Timeframe))
	}
	length := utf16Length(m.Title()) + len(m.Link) + 20
	for _, f := range m.facts(now) {
		length += utf16Length(f.Name+f.Value) + 3
		if length > telegramLength {
			break
		}
		b.WriteString("\n" + html.EscapeString(f.Name) + ": " + code(f.Value))
	}
	if m.Link != "" {
		b.WriteString("\n" + html.EscapeString(m.Link))
	}
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "<code>" + html.EscapeString(text) + "</code>"
}

func utf16Length(text string) int { return len(utf16.Encode([]rune(text))) }
