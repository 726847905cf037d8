package jsonb

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lowcap-cdc/decode"
)

// TestInstantsAsTheLibraryHasThem compares the hand-written reading and printing with package time.
func TestInstantsAsTheLibraryHasThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-62167219200000000, 253402300799999999).Draw(t, "at")).UTC()
		layout := rapid.SampledFrom([]string{"2006-01-02T15:04:05.000000-07:00", "2006-01-02 15:04:05.999999-07", "2006-01-02T15:04:05Z"}).
			Draw(t, "layout")
		text := at.Format(layout)
		if layout == "2006-01-02T15:04:05Z" {
			at = at.Truncate(time.Second)
		}
		got, naive, ok := ParseInstant(text)
		if !ok || naive || got != decode.Micros(at.UnixMicro()) {
			t.Fatalf("%s read as %d %v %v, want %d", text, got, naive, ok, at.UnixMicro())
		}
		if printed := string(FormatInstant(got)); printed != at.Format(InstantLayout) {
			t.Fatalf("%s printed as %s", text, printed)
		}
	})
}

// TestAlmostTimestamps feeds texts of which package time decides whether they are timestamps.
func TestAlmostTimestamps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte("2024-02-29T23:59:59.123456+00:00")
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			i := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			text[i] = rapid.SampledFrom([]byte("0123456789-:.TZ +")).Draw(t, "byte")
		}
		text = text[:rapid.IntRange(0, len(text)).Draw(t, "length")]
		got, _, ok := ParseInstant(string(text))
		want, wantOK := slowInstant(string(text))
		if ok != wantOK || got != want {
			t.Fatalf("%q read as %d %v, want %d %v", text, got, ok, want, wantOK)
		}
	})
}

// TestSpellings of one instant that people, databases and libraries write.
func TestSpellings(t *testing.T) {
	const want = 1768903200000000
	for text, naive := range map[string]bool{
		"2026-01-20T10:00:00+00:00": false, "2026-01-20t10:00:00z": false, " 2026-01-20T10:00:00Z ": false, "2026-01-20T10:00Z": false,
		"2026-01-20 10:00:00 Z": false, "20260120T100000Z": false, "20260120T120000+02:00": false, "2026-01-20T12:00+02:00": false,
		"2026-01-20T10:19:32+00:19:32": false, "2026-01-20 12:00:00,000+02": false, "2026-01-20T10:00": true, "20260120T100000": true,
	} {
		if at, isNaive, ok := ParseInstant(text); !ok || at != want || isNaive != naive {
			t.Errorf("%q read as %d %v %v", text, at, isNaive, ok)
		}
	}
	for _, text := range []string{"", "T", "1768903200", "2026-01-20", "10:00:00Z", "2026-02-30T10:00:00Z", "NaN", "infinity"} {
		if _, _, ok := ParseInstant(text); ok {
			t.Errorf("%q is a timestamp", text)
		}
	}
}

func slowInstant(text string) (at decode.Micros, ok bool) {
	if text = strings.TrimSpace(text); len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + strings.Replace(text[11:], " ", "", 1)
	}
	for _, layout := range append(zonedLayouts[:], naiveLayouts[:]...) {
		if t, err := time.Parse(layout, text); err == nil {
			return decode.Micros(t.UnixMicro()), true
		}
	}
	return 0, false
}
