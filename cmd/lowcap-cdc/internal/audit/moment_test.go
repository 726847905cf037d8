package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// TestMoment asks the recorded events for how everything stood at each of their places, by number, LSN and time.
func TestMoment(t *testing.T) {
	lines, _ := recordedLines(t)
	h := newHouse(t, lines)
	at := func(m Moment, token string) (*Standing, error) {
		s := h.sink()
		defer s.Close() //nolint:errcheck // it was only read
		return At(context.Background(), s, m, token)
	}
	for n := 1; n <= len(lines); n += 7 {
		byNumber, err := at(Moment{Number: uint64(n)}, "")
		if err != nil || byNumber.At.Number != uint64(n) {
			t.Fatalf("event %d: %+v, %v", n, byNumber, err)
		}
		lsn, err := decode.ParseLSN(byNumber.At.LSN)
		if err != nil {
			t.Fatal(err)
		}
		behind, err := at(Moment{LSN: lsn + 1, isLSN: true}, "")
		if err != nil || behind.At.LSN != byNumber.At.LSN || behind.At.Number < byNumber.At.Number {
			t.Errorf("behind %s it stands at %+v, %v", lsn, behind, err)
		}
		when, err := time.Parse(time.RFC3339Nano, byNumber.At.Time)
		if err != nil {
			t.Fatal(err)
		}
		if byTime, err := at(Moment{Time: when}, ""); err != nil || byTime.At.Number < byNumber.At.Number {
			t.Errorf("at %s it stands at %+v, %v", when, byTime, err)
		}
	}
	if _, err := at(Moment{Number: uint64(len(lines)) + 1}, ""); err == nil {
		t.Error("an event that is not there has a moment")
	}
	if _, err := at(Moment{Time: time.Unix(0, 0)}, ""); err == nil || !strings.Contains(err.Error(), "begins with the baseline") {
		t.Errorf("before the baseline: %v", err)
	}
	h.copy(lines[5:])
	if _, err := at(Moment{Number: 50}, ""); err == nil || !strings.Contains(err.Error(), "are gone") {
		t.Errorf("without the beginning: %v", err)
	}
}

// TestMomentOfAToken says why a token was not bought: since when it was blocked, by what, and by whom.
func TestMomentOfAToken(t *testing.T) {
	lines, _ := recordedLines(t)
	h := newHouse(t, lines)
	for _, line := range lines {
		e := &sink.Stored{Value: line}
		a := e.Attributes()
		if a.Type.Name() != "entry_block.set" {
			continue
		}
		s := h.sink()
		standing, err := At(context.Background(), s, Moment{Number: a.Number}, strings.Split(a.Subject, "/")[0])
		s.Close() //nolint:errcheck // it was only read
		if err != nil || len(standing.Blocked) == 0 {
			t.Fatalf("%+v, %v", standing, err)
		}
		b := standing.Blocked[0]
		if b.Event == "" || b.Since == nil || b.Why == "" {
			t.Errorf("%+v", b)
		}
		var out bytes.Buffer
		if err := standing.Print(&out, true); err != nil {
			t.Fatal(err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(out.Bytes(), &fields); err != nil || fields["blocked"] == nil || fields["pools"] == nil ||
			fields["trades"] == nil ||
			fields["exits_wanted"] == nil {
			t.Errorf("%v: %s", err, out.Bytes())
		}
		if err := standing.Print(&out, false); err != nil || !strings.Contains(out.String(), "blocked") {
			t.Errorf("%v", err)
		}
	}
}

// TestMomentBehindTheTrail: what was committed behind the checkpoint no event tells yet, and that is said.
func TestMomentBehindTheTrail(t *testing.T) {
	when := time.Date(2026, 11, 24, 14, 0, 0, 5000, time.UTC)
	known := &cdc.Checkpoint{LSN: 0x200, Time: decode.Micros(when.UnixMicro()), Events: schemas.Chain{Number: 7}}
	for name, c := range map[string]struct {
		moment Moment
		known  *cdc.Checkpoint
		want   bool
	}{
		"a number":              {Moment{Number: 7}, known, false},
		"the checkpoint's LSN":  {Moment{LSN: 0x200, isLSN: true}, known, false},
		"an LSN behind it":      {Moment{LSN: 0x201, isLSN: true}, known, true},
		"the checkpoint's time": {Moment{Time: when}, known, false},
		"a time behind it":      {Moment{Time: when.Add(time.Microsecond)}, known, true},
		"a copy":                {Moment{Time: when.Add(time.Hour)}, &cdc.Checkpoint{}, false},
	} {
		ends := c.moment.beyond(c.known)
		if (ends != nil) != c.want || c.want && (ends.LSN != "0/200" || ends.Time != "2026-11-24T14:00:00.000005Z" || ends.Number != 7) {
			t.Errorf("%s: %+v", name, ends)
		}
		var out bytes.Buffer
		if err := (&Standing{Ends: ends}).Print(&out, false); err != nil || strings.Contains(out.String(), "! the trail has come to 0/200") != c.want {
			t.Errorf("%s: %v, %s", name, err, out.String())
		}
	}
}

func TestParseMoment(t *testing.T) {
	never := func(string) (time.Time, bool) { return time.Time{}, false }
	for text, want := range map[string]Moment{"17": {Number: 17}, "0/16B3748": {LSN: 0x16B3748, isLSN: true}} {
		if m, err := ParseMoment(text, never); err != nil || m != want {
			t.Errorf("%q: %+v, %v", text, m, err)
		}
	}
	always := func(string) (time.Time, bool) { return time.Now(), true }
	if m, err := ParseMoment("0", always); err == nil {
		t.Errorf("0 is %+v", m)
	}
	for _, text := range []string{"", "0", "-1", "Tuesday", "99999999999999999999"} {
		if _, err := ParseMoment(text, never); err == nil {
			t.Errorf("%q is a moment", text)
		}
	}
}

// TestMomentOfAnUnknownToken: that nothing is blocked of a token which no event is about is no answer to why it was not bought.
func TestMomentOfAnUnknownToken(t *testing.T) {
	lines, _ := recordedLines(t)
	h := newHouse(t, lines)
	s := h.sink()
	defer s.Close() //nolint:errcheck // it was only read
	end := Moment{Number: uint64(len(lines))}
	for _, token := range []string{"EXITT", "ExitAndRebuy", "solana/ExitAndRebuy1111111111111111111111111111111/4h"} {
		if at, err := At(t.Context(), s, end, token); err == nil || !strings.Contains(err.Error(), "no event up to") {
			t.Errorf("%s: %+v, %v", token, at, err)
		}
	}
	for _, token := range []string{"exit", "ExitAndRebuy1111111111111111111111111111111", "solana/ExitAndRebuy1111111111111111111111111111111/1h"} {
		if _, err := At(t.Context(), s, end, token); err != nil {
			t.Errorf("%s: %v", token, err)
		}
	}
	if at, err := At(t.Context(), s, Moment{Number: 1}, "EXIT"); err == nil {
		t.Errorf("known before it was there: %+v", at)
	}
}

// TestTickerThatWas: a token is found by the ticker that it had.
func TestTickerThatWas(t *testing.T) {
	q := &asked{token: "wif", contracts: make(map[string]bool)}
	for _, ticker := range []string{"WIF", "WIF2"} {
		q.hear(&sink.Stored{Value: []byte(`{"data":{"entity":{"id":"p","token_contract":"C","token_ticker":"` + ticker + `"}}}`)})
	}
	if !q.isKnown || !q.matches("C", "WIF2", "p", "solana", "1h") || q.matches("D", "DOG", "q", "solana", "1h") {
		t.Errorf("%+v", q)
	}
}

// TestPlaceOfAnotherServer: an LSN of a server that the history came from would be taken for some place of the one that it is on now.
func TestPlaceOfAnotherServer(t *testing.T) {
	known := &cdc.Checkpoint{Eras: []cdc.Era{{System: "1"}, {Begins: 0x500000100, Base: 0x500000000, System: "2"}}}
	for lsn, ok := range map[decode.LSN]bool{0x100: true, 0x200: true, 0xFF: false, 1<<64 - 1: false} {
		m := Moment{LSN: lsn, isLSN: true}
		if err := m.put(known); (err == nil) != ok || ok && m.place != lsn+0x500000000 || !ok && !strings.Contains(err.Error(), "it came there at 0/100") {
			t.Errorf("%s: %s, %v", lsn, m.place, err)
		}
	}
	if err := (&Moment{Number: 7}).put(known); err != nil {
		t.Error(err)
	}
}
