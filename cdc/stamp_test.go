package cdc

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestExactStampsPrintTheirText: a stamp that keeps no text must be the only spelling of its instant.
func TestExactStampsPrintTheirText(t *testing.T) {
	exact := 0
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(
			rapid.SampledFrom([]string{"2026-01-18 11:06:52.514883+00", "2024-02-29 23:59:59+00", "0099-12-31 00:00:00.5+00"}).Draw(t, "text"),
		)
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789 :T.+Z")).Draw(t, "byte")
		}
		s := readStamp(text)
		printed := time.UnixMicro(int64(s.at)).UTC().Format("2006-01-02 15:04:05.999999-07")
		if (s.kind == exactStamp) != (s.kind != badStamp && printed == string(text)) {
			t.Fatalf("%q is %d, its instant prints as %q", text, s.kind, printed)
		}
		if s.kind == exactStamp {
			exact++
		}
		r := &reader{data: s.appendTo(nil)}
		if back := r.stamp(); !back.sameAs(s) || r.end() != nil {
			t.Fatalf("%q comes back as %+v", text, back)
		}
	})
	if exact == 0 {
		t.Error("no exact stamp was drawn")
	}
}
