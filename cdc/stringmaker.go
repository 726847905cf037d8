package cdc

import (
	"strings"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// stringPiece is the size of the pieces of memory that strings are cut from, in bytes. A string that is kept for long
// keeps the piece that it is part of.
const stringPiece = 16 << 10

// stringMaker makes the short strings of events, such as their attributes. Many share a piece of memory, so that an
// event does not cost an allocation for each of them. What it returns never changes.
type stringMaker struct{ piece strings.Builder }

func (s *stringMaker) keep(text []byte) string {
	if s.piece.Cap()-s.piece.Len() < len(text) {
		s.piece.Reset()
		s.piece.Grow(max(stringPiece, len(text)))
	}
	start := s.piece.Len()
	s.piece.Write(text)
	return s.piece.String()[start:]
}

func (s *stringMaker) instant(at decode.Micros) schemas.Instant {
	var room [len(jsonb.InstantLayout)]byte
	return schemas.Instant(s.keep(jsonb.AppendInstant(room[:0], at)))
}
