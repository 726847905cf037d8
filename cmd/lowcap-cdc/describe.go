package main

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tidwall/gjson"

	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// longestDetail is how many bytes of one field a line shows; the event itself has the rest.
const longestDetail = 80

// line is an event made readable: what tail, audit, notify and the page show of it.
type line struct {
	Time      string           `json:"time"` // of the commit
	Event     string           `json:"event"`
	Severity  schemas.Severity `json:"severity"`
	Token     string           `json:"token"` // the ticker, or the contract where there is none
	Contract  string           `json:"contract"`
	Timeframe string           `json:"timeframe"`
	Detail    string           `json:"detail"` // the event's own fields
	Actor     string           `json:"actor,omitempty"`
	Reason    string           `json:"reason,omitempty"`
	Flags     []string         `json:"flags,omitempty"`
	LSN       string           `json:"lsn"`
	Sequence  string           `json:"sequence"`
	ID        string           `json:"id"`
}

// describe makes an event readable. Text of the database goes into it without control characters, so that it cannot
// rewrite a terminal.
func describe(s *sink.Stored) line {
	a, data := s.Attributes(), gjson.GetBytes(s.Value, "data")
	entity, origin := data.Get("entity"), data.Get("origin")
	l := line{
		Time: a.Time, Event: a.Type.Name(), Severity: a.Severity, ID: a.ID, Sequence: a.Sequence,
		Contract: printable(entity.Get("token_contract").String()), Timeframe: printable(entity.Get("timeframe").String()),
		Token: printable(entity.Get("token_ticker").String()), LSN: origin.Get("commit_lsn").String(),
		Actor: printable(origin.Get("actor").String()), Reason: printable(origin.Get("reason").String()),
		Detail: strings.Join(details(data), " "),
	}
	if l.Token == "" {
		l.Token = l.Contract
	}
	for _, flag := range data.Get("flags").Array() {
		l.Flags = append(l.Flags, flag.String())
	}
	return l
}

// details prints an event's own fields, which come before the entity.
func details(data gjson.Result) []string {
	var list []string
	data.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "entity" {
			return false
		}
		list = appendDetail(list, key.Str, value)
		return true
	})
	return list
}

func appendDetail(list []string, name string, value gjson.Result) []string {
	switch {
	case value.Type == gjson.Null, value.Raw == "[]", value.Raw == "{}":
		return list
	case strings.Contains(name, "_seconds") && value.Type == gjson.Number:
		return append(list, strings.Replace(name, "_seconds", "", 1)+"="+forSeconds(value.Num))
	case value.IsObject() && (name == "blocked_for_seconds" || name == "failure_ts"):
		value.ForEach(func(key, inner gjson.Result) bool {
			list = appendDetail(list, name+"."+key.Str, inner)
			return true
		})
		return list
	case value.IsArray():
		return append(list, name+"="+shorten(printable(strings.Join(texts(value), ","))))
	}
	return append(list, name+"="+shorten(printable(value.String())))
}

func texts(array gjson.Result) []string {
	var list []string
	for _, e := range array.Array() {
		list = append(list, e.String())
	}
	return list
}

func forSeconds(n float64) string {
	d := time.Duration(n * float64(time.Second))
	if d < time.Minute {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func shorten(text string) string { return cut(text, longestDetail) }

// cut keeps the first n bytes of a text.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// printable replaces what is not to be printed as it stands: control characters, and marks that change the direction
// of what follows.
func printable(text string) string {
	if strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if hidden(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

// entity names what an event is about.
type entity struct{ id, ticker, contract string }

func entityOf(s *sink.Stored) entity {
	v := gjson.GetManyBytes(s.Value, "data.entity.id", "data.entity.token_ticker", "data.entity.token_contract")
	return entity{id: v[0].String(), ticker: v[1].String(), contract: v[2].String()}
}
