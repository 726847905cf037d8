package cdc

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// drawText draws a text, mostly one that is nearly of a kind that is not kept as it stands.
func drawText() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		kinds := []string{
			"0f2b3c4d-5e6f-4a1b-8c9d-0123456789ab",
			"2026-01-18 11:06:52.514883+00",
			"2026-01-18 11:06:52+00",
			"9999-12-31 23:59:59.9+00",
			"2026-01-18 11:06:52.500000+00",
			"2026-01-18T11:06:52+00",
			"onchain_crypto",
			"",
			"0",
			"-0.5",
			"7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr",
			strings.Repeat("x", 300),
		}
		if rapid.IntRange(0, 4).Draw(t, "any") == 0 {
			return rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		}
		text := []byte(rapid.SampledFrom(kinds).Draw(t, "kind"))
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			if len(text) > 0 {
				text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789abcdefABZ :.+-T\x00\xff")).Draw(t, "byte")
			}
		}
		return text
	})
}

// TestTextsComeBack: any texts, one behind the other, come back as they were, NULL too; and what one became is as no other.
func TestTextsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(drawText()).Draw(t, "texts")
		texts = append(texts, nil)
		var packed, room []byte
		for _, text := range texts {
			packed = appendText(packed, text)
		}
		r := &reader{data: packed}
		var got [][]byte
		for range texts {
			var text []byte
			text, room = r.text(room)
			got = append(got, text)
		}
		for i, text := range texts {
			if !bytes.Equal(got[i], text) || (got[i] == nil) != (text == nil) {
				t.Fatalf("%q comes back as %q", text, got[i])
			}
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestShortTexts: what most rows hold takes a byte, and the rest what it is worth.
func TestShortTexts(t *testing.T) {
	for text, want := range map[string]int{"0": 1, "": 1, "solana": 1, "archived": 1, "S4": 1, "0f2b3c4d-5e6f-4a1b-8c9d-0123456789ab": 17,
		"2026-01-18 11:06:52.514883+00": 9, "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr": 45, "0F2B3C4D-5e6f-4a1b-8c9d-0123456789ab": 37} {
		if packed := appendText(nil, []byte(text)); len(packed) != want {
			t.Errorf("%q takes %d bytes, want %d", text, len(packed), want)
		}
	}
}

// TestEveryWordIsFound: the longest ones too.
func TestEveryWordIsFound(t *testing.T) {
	for _, word := range words {
		if packed := appendText(nil, []byte(word)); len(packed) != 1 {
			t.Errorf("%q becomes %q", word, packed)
		}
	}
}

// TestDamagedImages: no bytes make reading an image panic; it ends with an error, or takes them to the last.
func TestDamagedImages(t *testing.T) {
	b := newBench(t)
	tellOldRows(b)
	image, _ := b.machine.state.positions.get([]byte("0f2b3c4d-0000-4000-8000-000000000002"))
	rapid.Check(t, func(t *rapid.T) {
		damaged := bytes.Clone(image)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			damaged[rapid.IntRange(0, len(damaged)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		damaged = damaged[:rapid.IntRange(0, len(damaged)).Draw(t, "length")]
		var p positionImage
		if p.decode(damaged) == nil && !bytes.Equal(image, damaged) {
			var again positionImage
			if err := again.decode(p.appendTo(nil)); err != nil {
				t.Fatal(err)
			}
		}
	})
	newer := []byte{imageVersion, plainText - 1}
	if err := NewState().Load(positionPrefix+"p", newer); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a word of a newer version: %v", err)
	}
}

// TestImageComesBack: an image with any content is the same after a restart.
func TestImageComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p positionImage
		for i := range p.columns {
			if p.columns[i] = drawText().Draw(t, "column"); rapid.Bool().Draw(t, "null") {
				p.columns[i] = nil
			}
		}
		p.completed, p.incomplete, p.freshTrade = rapid.Int64().
			Draw(t, "completed"),
			rapid.Bool().
				Draw(t, "incomplete"),
			rapid.Bool().
				Draw(t, "fresh")
		places := []place{{}, {lsn: 7, streamed: true, change: 1}, {lsn: 7, event: 1}, {lsn: 7}}
		for k := range keyCount + 1 {
			m := p.memory(k)
			for n := range rapid.IntRange(0, remembered).Draw(t, "values") {
				m.remember(jsonb.Digest{byte(n)}, rapid.SampledFrom(places).Draw(t, "place"))
			}
			for i := range m.values {
				m.values[i].revertedFrom = rapid.Bool().Draw(t, "reverted")
			}
			if m.dated = rapid.Bool().Draw(t, "dated"); m.dated {
				m.newest = decode.Micros(rapid.Int64().Draw(t, "newest"))
			}
			if m.isBad = rapid.Bool().Draw(t, "bad"); m.isBad && rapid.Bool().Draw(t, "good") {
				m.good = []byte("{}")
			}
		}
		image := p.appendTo(nil)
		var back positionImage
		if err := back.decode(image); err != nil {
			t.Fatal(err)
		}
		if again := back.appendTo(nil); !bytes.Equal(again, image) {
			t.Fatalf("%q, after a restart %q", image, again)
		}
		for k := range keyCount + 1 {
			for i, s := range p.memory(k).values {
				if back.memory(k).values[i] != s {
					t.Fatalf("%+v comes back as %+v", s, back.memory(k).values[i])
				}
			}
		}
	})
}
