package receiver

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// Message is what one receiver is told at one time: an event, several events together, or word of the messenger itself.
// Its texts are one line each and printable; they still hold what strangers named their tokens, so each receiver disarms
// its own markup.
type Message struct {
	Severity  schemas.Severity
	What      string // e.g. Emergency exit
	Token     string // ticker or contract; empty where it is about no token
	Timeframe string
	Facts     []Fact
	At        time.Time // when it happened; zero for unknown
	Link      string    // where a person reads more; empty for nowhere
	// Reference is the same for every copy of this message and of no other: the event's id.
	Reference string
	Repeat    bool         // an earlier copy may have arrived
	Event     *sink.Stored // nil unless the message is one event
	Trail     string       // the short form of the newest event that it tells of, which anchors the trail; empty for none
}

// Fact is one line of a message.
type Fact struct{ Name, Value string }

const (
	plainLength = 200 // characters of a plain text
	mayRepeat   = "may be a repeat"
)

// Title returns the message in one line.
func (m *Message) Title() string {
	title := m.What
	if m.Token != "" {
		title += ": " + m.Token
	}
	return strings.TrimSpace(title + " " + m.Timeframe)
}

// facts returns everything below the title, with how long ago it was at now.
func (m *Message) facts(now time.Time) []Fact {
	facts := slices.Clip(m.Facts)
	if !m.At.IsZero() {
		facts = append(facts, Fact{"when", Ago(m.At, now) + " (" + m.At.UTC().Format(time.DateTime) + " UTC)"})
	}
	if m.Repeat {
		facts = append(facts, Fact{"note", mayRepeat})
	}
	if m.Trail != "" {
		facts = append(facts, Fact{"trail", m.Trail})
	}
	return facts
}

// Text returns the message as lines of text, for receivers without markup.
func (m *Message) Text(now time.Time) string {
	var b strings.Builder
	b.WriteString(m.Title())
	for _, f := range m.facts(now) {
		b.WriteString("\n" + f.Name + ": " + f.Value)
	}
	if m.Link != "" {
		b.WriteString("\n" + m.Link)
	}
	return b.String()
}

// Plain returns the message in at most 200 characters that no receiver reads as markup: letters, digits, spaces and a few
// marks.
func (m *Message) Plain(now time.Time) string {
	text := string(m.Severity) + ": " + m.Title()
	if m.Repeat {
		text = mayRepeat + ", " + text
	}
	if !m.At.IsZero() {
		text += ", " + Ago(m.At, now)
	}
	for _, f := range m.Facts {
		text += ", " + f.Name + " " + f.Value
	}
	return firstRunes(strings.Map(unmarked, text), plainLength)
}

// unmarked replaces what some receiver may read as markup, a mention, a link or a command.
func unmarked(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" ,:;%+-()", r) || r == '.' {
		return r
	}
	return ' '
}

// firstRunes returns at most n runes of a text.
func firstRunes(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// Ago says how long before now something was.
func Ago(at, now time.Time) string {
	d := now.Sub(at)
	switch {
	case d < time.Second:
		return "just now"
	case d < 2*time.Minute:
		return d.Truncate(time.Second).String() + " ago"
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s") + " ago"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days ago"
}
