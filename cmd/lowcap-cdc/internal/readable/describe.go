// Package readable makes events and rows readable for a person: on a terminal, in an alert, on the page.
package readable

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

const (
	longestDetail = 80   // bytes of one field that a line shows; the event itself has the rest
	longestLine   = 2000 // bytes of all fields
	mostFlags     = 20
)

// Line is an event made readable: what tail, audit, notify and the page show of it.
type Line struct {
	Time      string           `json:"time"` // of the commit
	Event     string           `json:"event"`
	Severity  schemas.Severity `json:"severity"`
	Token     string           `json:"token"` // the ticker, or the contract where there is none
	Contract  string           `json:"contract"`
	Timeframe string           `json:"timeframe"`
	Detail    string           `json:"detail"` // the event's own fields
	Actor     string           `json:"actor,omitempty"`
	Reason    string           `json:"reason,omitempty"`
	Session   string           `json:"session,omitempty"` // whom the server recorded
	Flags     []string         `json:"flags,omitempty"`
	LSN       string           `json:"lsn"`
	Sequence  string           `json:"sequence"`
	ID        string           `json:"id"`
}

// Describe makes an event readable. Text of the database goes into it without control characters, so that it cannot
// rewrite a terminal.
func Describe(s *sink.Stored) Line {
	a, data := s.Attributes(), gjson.GetBytes(s.Value, "data")
	entity, origin := data.Get("entity"), data.Get("origin")
	l := Line{
		Time: Printable(a.Time), Event: Printable(a.Type.Name()), Severity: schemas.Severity(Printable(string(a.Severity))), ID: Printable(a.ID),
		Sequence: Printable(a.Sequence),
		Contract: Printable(entity.Get("token_contract").String()), Timeframe: Printable(entity.Get("timeframe").String()),
		Token: Printable(entity.Get("token_ticker").String()), LSN: Printable(origin.Get("commit_lsn").String()),
		Actor: Printable(origin.Get("actor").String()), Reason: Printable(origin.Get("reason").String()),
		Session: Printable(SessionOf(origin.Get("session"))),
		Detail:  strings.Join(details(data), " "),
	}
	if l.Token == "" {
		l.Token = l.Contract
	}
	for _, flag := range data.Get("flags").Array() {
		l.Flags = append(l.Flags, Printable(flag.String()))
	}
	return l
}

// Short returns the line with what comes from outside cut, for a list that a person reads.
func (l Line) Short() Line {
	for _, text := range []*string{&l.Event, &l.Token, &l.Contract, &l.Timeframe, &l.Actor, &l.Reason, &l.Session, &l.LSN, &l.Sequence, &l.ID} {
		*text = Shorten(*text)
	}
	l.Detail = Cut(l.Detail, longestLine)
	flags := make([]string, 0, len(l.Flags))
	for _, flag := range l.Flags[:min(len(l.Flags), mostFlags)] {
		flags = append(flags, Shorten(flag))
	}
	l.Flags = flags
	return l
}

// details prints an event's own fields.
func details(data gjson.Result) []string {
	var list []string
	for _, f := range Fields(data) {
		list = appendDetail(list, Printable(f.Name), f.Value)
	}
	return list
}

// inParts are the objects of which a line shows each field. Of every other it shows the beginning.
var inParts = map[string]bool{"blocked_for_seconds": true, "failure_ts": true, "from": true, "to": true, "last_sell": true, "block": true,
	"reverted_from": true, "reverted_to": true}

func appendDetail(list []string, name string, value gjson.Result) []string {
	switch {
	case value.Type == gjson.Null, value.Raw == "[]", value.Raw == "{}":
		return list
	case strings.Contains(name, "_seconds") && value.Type == gjson.Number:
		return append(list, strings.Replace(name, "_seconds", "", 1)+"="+Seconds(value.Num))
	case value.IsObject() && inParts[name]:
		value.ForEach(func(key, inner gjson.Result) bool {
			list = appendDetail(list, name+"."+Printable(key.Str), inner)
			return true
		})
		return list
	case value.IsArray():
		return append(list, name+"="+Shorten(Printable(strings.Join(texts(value), ","))))
	}
	return append(list, name+"="+Shorten(Printable(value.String())))
}

func texts(array gjson.Result) []string {
	var list []string
	for _, e := range array.Array() {
		list = append(list, e.String())
	}
	return list
}

// Seconds prints a duration.
func Seconds(n float64) string {
	d := time.Duration(n * float64(time.Second))
	if d < time.Minute {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// Shorten keeps of a text what a line shows of one field.
func Shorten(text string) string { return Cut(text, longestDetail) }

// Cut keeps the first n bytes of a text.
func Cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// Printable replaces what is not to be printed as it stands; see settings.Printable.
func Printable(text string) string { return settings.Printable(text) }

// Entity names what an event is about.
type Entity struct{ ID, Ticker, Contract string }

// EntityOf returns what an event is about.
func EntityOf(s *sink.Stored) Entity {
	v := gjson.GetManyBytes(s.Value, "data.entity.id", "data.entity.token_ticker", "data.entity.token_contract")
	return Entity{ID: v[0].String(), Ticker: v[1].String(), Contract: v[2].String()}
}

// IsToken reports whether an event belongs to a token: its ticker, contract, position or row key.
func IsToken(token string, s *sink.Stored) bool {
	if token == "" {
		return true
	}
	e := EntityOf(s)
	return strings.EqualFold(token, e.Ticker) || token == e.Contract || token == e.ID || token == string(s.Key)
}

// ShortTime prints a commit time to the millisecond, in UTC.
func ShortTime(text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}

// PrintJSON prints a value as indented JSON.
func PrintJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
