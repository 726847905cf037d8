package receiver

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	discordLength  = 2000   // characters of a message (discord.com/developers/docs/resources/webhook#execute-webhook)
	suppressEmbeds = 1 << 2 // message flag: no preview of links
)

// discord speaks Discord's webhooks. With wait=true it answers after the message is stored; without, a message that is not
// stored is no error.
type discord struct{ url string }

func (d *discord) isIdempotent() bool { return false }

func (d *discord) post(m *Message, plain bool, now time.Time) (post, error) {
	content := m.Plain(now)
	if !plain {
		content = d.text(m, now)
	}
	body, err := json.Marshal(map[string]any{"content": content, "flags": suppressEmbeds,
		"allowed_mentions": map[string]any{"parse": []string{}}})
	if err != nil {
		return post{}, err
	}
	to, err := url.Parse(d.url)
	if err != nil {
		return post{}, err
	}
	query := to.Query()
	query.Set("wait", "true")
	to.RawQuery = query.Encode()
	return post{url: to.String(), kind: "application/json", body: body}, nil
}

func (d *discord) text(m *Message, now time.Time) string {
	text := "**" + markdown.Replace(mark(m.Severity)+m.Title()) + "**"
	length := utf8.RuneCountInString(text) + utf8.RuneCountInString(m.Link) + 1
	for _, f := range m.facts(now) {
		line := "\n" + markdown.Replace(f.Name+": "+f.Value)
		if length += utf8.RuneCountInString(line); length > discordLength {
			break
		}
		text += line
	}
	if m.Link != "" {
		text += "\n" + m.Link
	}
	return text
}

// markdown escapes what Discord reads as markup. A backslash before a mark that has no meaning is not shown either.
var markdown = strings.NewReplacer(escapes(`\*_~|>#[]()<@:-` + "`")...)

func escapes(marks string) (pairs []string) {
	for _, r := range marks {
		pairs = append(pairs, string(r), `\`+string(r))
	}
	return pairs
}
