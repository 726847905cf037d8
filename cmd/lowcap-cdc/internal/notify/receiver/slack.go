package receiver

import (
	"encoding/json"
	"strings"
	"time"
)

// slackLength is how many characters a plain_text block may have (docs.slack.dev, Block Kit, text object).
const slackLength = 3000

// slack speaks Slack's incoming webhooks. The message is a plain_text block, which Slack shows as it stands; text is what a
// notification shows, in which &, < and > are markup.
type slack struct{ url string }

func (s *slack) isIdempotent() bool { return false }

func (s *slack) post(m *Message, plain bool, now time.Time) (post, error) {
	text := m.Plain(now)
	message := map[string]any{"mrkdwn": false, "unfurl_links": false, "unfurl_media": false}
	if !plain {
		text = firstRunes(mark(m.Severity)+m.Text(now), slackLength)
		message["blocks"] = []any{map[string]any{"type": "section", "text": map[string]any{"type": "plain_text", "text": text, "emoji": false}}}
	}
	message["text"] = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	body, err := json.Marshal(message)
	return post{url: s.url, kind: "application/json", body: body}, err
}
