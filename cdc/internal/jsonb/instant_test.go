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

func slowInstant(text string) (at decode.Micros, ok bool) {
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	for _, layout := range append(zonedLayouts[:], naiveLayout) {
		if t, err := time.Parse(layout, strings.Replace(text, "z", "Z", 1)); err == nil {
			return decode.Micros(t.UnixMicro()), true
		}
	}
	return 0, false
}
