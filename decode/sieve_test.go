package decode

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
)

// sift passes a message through a fresh sieve that knows the relation.
func sift(t *testing.T, relation, w wire) ([]byte, error) {
	t.Helper()
	s := NewSieve("public")
	s.Note(relation)
	kept, err := s.Sift(nil, bufio.NewReader(iotest.OneByteReader(bytes.NewReader(w))), len(w))
	return kept, err
}

func positionsRelation(extra string) wire {
	return relationOf(Positions, append([]column{{name: extra}}, columnsOf(Positions)...)...)
}

// positionTuple is a row with an unwatched column in front, of which all but the id and features are NULL.
func positionTuple(w wire, tag byte, unwatched, id, features string) wire {
	w = w.u8(tag).u16(positionColumns + 1).value(unwatched)
	for i := range positionColumns {
		switch {
		case i == PositionID:
			w = w.value(id)
		case i == FeaturesColumn && features != "":
			w = w.value(features)
		case i == FeaturesColumn:
			w = w.u8('u')
		default:
			w = w.u8('n')
		}
	}
	return w
}

// TestSieve: what is sifted says the same to a decoder, and has nothing that the decoder does not want.
func TestSieve(t *testing.T) {
	large := strings.Repeat("x", 3<<20)
	relation := positionsRelation("notes")
	update := message('U').u32(7)
	for name, c := range map[string]struct {
		w    wire
		most int // bytes that may be kept
	}{
		"unwatched column":          {positionTuple(message('I').u32(7), 'N', large, "1", "{}"), 1 << 10},
		"watched column":            {positionTuple(message('I').u32(7), 'N', large, "1", large), len(large) + 1<<10},
		"old row and new":           {positionTuple(positionTuple(update, 'O', large, "1", large+"old"), 'N', large, "2", large), len(large) + 1<<10},
		"old row, unchanged in new": {positionTuple(positionTuple(update, 'O', large, "1", large), 'N', large, "2", ""), len(large) + 1<<10},
		"deleted":                   {positionTuple(message('D').u32(7), 'O', large, "1", "{}"), 1 << 10},
		"another table":             {message('I').u32(8).u8('N').u16(1).value(large), 10},
		"unwanted message":          {message('M').u8(1).u64(9).text("other").sized(large), 100},
		"unwanted, a long prefix":   {message('M').u8(1).u64(9).text(large).sized("x"), 100},
		"outside a transaction":     {message('M').u8(0).u64(9).text(AnnotationPrefix).sized(large), 100},
		"annotation":                {message('M').u8(1).u64(9).text(AnnotationPrefix).sized(large), maxContent + 100},
	} {
		kept, err := sift(t, relation, c.w)
		if err != nil || len(kept) > c.most {
			t.Errorf("%s: %d bytes kept, at most %d are wanted, %v", name, len(kept), c.most, err)
			continue
		}
		whole, sifted := NewDecoder("public"), NewDecoder("public")
		for _, d := range []*Decoder{whole, sifted} {
			mustDecode(t, d, relation)
			mustDecode(t, d, message('R').u32(8).text("public").text("orders").u8('d').u16(1).column(column{name: "a"}))
		}
		want, got := mustDecode(t, whole, c.w), mustDecode(t, sifted, kept)
		switch want := want.(type) {
		case nil:
			if got != nil {
				t.Errorf("%s: %T", name, got)
			}
		case *Annotation:
			if !bytes.HasPrefix(want.Content, got.(*Annotation).Content) {
				t.Errorf("%s: another text", name)
			}
		case *PositionChange:
			if row := got.(*PositionChange).New[FeaturesColumn]; row.Kind != want.New[FeaturesColumn].Kind || !bytes.Equal(row.Text, want.New[FeaturesColumn].Text) {
				t.Errorf("%s: another document", name)
			}
			old, wantOld := got.(*PositionChange).Old, want.Old
			if !bytes.Equal(old[PositionID].Text, wantOld[PositionID].Text) {
				t.Errorf("%s: old id %q", name, old[PositionID].Text)
			}
			if want.New[FeaturesColumn].Kind == Unchanged && !bytes.Equal(old[FeaturesColumn].Text, wantOld[FeaturesColumn].Text) {
				t.Errorf("%s: the old document is gone", name)
			}
		}
	}
}

// FuzzSieve: whatever a decoder can read of a message, it can read of the sifted one; nothing else is a panic.
func FuzzSieve(f *testing.F) {
	relation := positionsRelation("notes")
	f.Add([]byte(positionTuple(message('I').u32(7), 'N', "a", "1", "{}")))
	f.Add([]byte(positionTuple(positionTuple(message('U').u32(7), 'O', "a", "1", "{}"), 'N', "b", "2", "")))
	f.Add([]byte(message('M').u8(1).u64(9).text(AnnotationPrefix).sized("{}")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 0 && data[0] == 'R' {
			return
		}
		whole, sifted := NewDecoder("public"), NewDecoder("public")
		mustDecode(t, whole, relation)
		mustDecode(t, sifted, relation)
		s := NewSieve("public")
		s.Note(relation)
		kept, err := s.Sift(nil, bufio.NewReader(bytes.NewReader(data)), len(data))
		want, wantErr := whole.Decode(data)
		if wantErr != nil {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		got, err := sifted.Decode(kept)
		if err != nil || (got == nil) != (want == nil) {
			t.Fatalf("%q: sifted %q gives %T, %v; want %T", data, kept, got, err, want)
		}
		if want, ok := want.(*PositionChange); ok && !bytes.Equal(want.New[FeaturesColumn].Text, got.(*PositionChange).New[FeaturesColumn].Text) {
			t.Fatalf("%q: another document", data)
		}
	})
}
