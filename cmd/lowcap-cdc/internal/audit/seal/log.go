package seal

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// What a log may hold, so that a foreign file can do no harm.
const (
	mostSeals   = 1 << 20  // a seal every five minutes for ten years
	longestNote = 64 << 10 // bytes
	longestLine = 8 << 10  // bytes of a line of the frontier file: 63 hashes
)

// signature is what each signature of a note begins with.
const signature = "\u2014 "

// Seal is a note of a log, checked.
type Seal struct {
	Checkpoint
	offset int64 // where its note begins
	length int
}

// Log is a file of seals, each with an empty line after it.
type Log struct {
	path  string
	Seals []Seal // by Size, ascending
	end   int64  // bytes that whole notes take
	Torn  int64  // bytes behind them: a note that was not written to its end
}

// ErrLog says that a log of seals is not one, or was altered.
var ErrLog = errors.New("the log of seals is not whole")

// ReadLog reads a log and checks every seal: the signature of its key, those of the witnesses, and that they follow each
// other. A log that is not there is empty. The error is ErrLog where the log was altered.
func ReadLog(path string, by *Verifier, witnesses ...*Verifier) (*Log, error) {
	l := &Log{path: path}
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read seals: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	if err := l.read(file, by, witnesses); err != nil {
		return nil, fmt.Errorf("read seals: %s at byte %d: %w", path, l.end, err)
	}
	return l, nil
}

func (l *Log) read(from io.Reader, by *Verifier, witnesses []*Verifier) error {
	lines := bufio.NewReaderSize(from, longestNote)
	origin := ""
	if by != nil {
		origin = by.Name()
	}
	var text []byte
	blank := 0 // of the note: one ends its text, the next one its signatures
	for {
		line, err := lines.ReadSlice('\n')
		text = append(text, line...)
		switch {
		case errors.Is(err, io.EOF):
			if !begins(string(text), origin) {
				return fmt.Errorf("%w: the %d bytes there are no seal, nor the beginning of one; were line ends changed?", ErrLog, len(text))
			}
			l.Torn = int64(len(text))
			return nil
		case errors.Is(err, bufio.ErrBufferFull) || len(text) > longestNote:
			return fmt.Errorf("%w: a note there is longer than %d bytes", ErrLog, longestNote)
		case err != nil:
			return err
		}
		if len(line) > 1 {
			continue
		}
		if blank++; blank < 2 {
			continue
		}
		if err := l.take(text, by, witnesses); err != nil {
			return err
		}
		text, blank = text[:0], 0
	}
}

// begins reports whether a text is the beginning of a note, as a writer leaves it who dies. An empty origin fits every note.
func begins(text, origin string) bool {
	checkpoint, signatures, isWhole := strings.Cut(text, "\n\n")
	if !isWhole {
		return (origin == "" || strings.HasPrefix(text, origin+"\n") || strings.HasPrefix(origin, text)) &&
			strings.Count(text, "\n") <= checkpointLines+1 && !strings.Contains(text, "\r")
	}
	if c, err := ParseCheckpoint(checkpoint + "\n"); err != nil || origin != "" && c.Origin != origin {
		return false
	}
	for _, line := range strings.Split(signatures, "\n") {
		if !strings.HasPrefix(line, signature) && !strings.HasPrefix(signature, line) {
			return false
		}
	}
	return true
}

// take checks a note, with the empty line after it, and puts it into the log.
func (l *Log) take(text []byte, by *Verifier, witnesses []*Verifier) error {
	signed := text[:len(text)-1]
	c, _, err := Open(signed, by, witnesses...)
	if err != nil {
		return err
	}
	if n := len(l.Seals); n > 0 && l.Seals[n-1].Size >= c.Size {
		return fmt.Errorf("%w: a seal over %d events follows one over %d", ErrLog, c.Size, l.Seals[n-1].Size)
	}
	if n := len(l.Seals); n > 0 && l.Seals[0].Begins != c.Begins {
		return fmt.Errorf("%w: a seal over the events from %d on follows one over those from %d on", ErrLog, max(c.Begins, 1), l.Begins())
	}
	if len(l.Seals) == mostSeals {
		return fmt.Errorf("%w: it has more than %d seals; begin another log", ErrLog, mostSeals)
	}
	l.Seals = append(l.Seals, Seal{Checkpoint: c, offset: l.end, length: len(signed)})
	l.end += int64(len(text))
	return nil
}

// Open checks a seal's signatures and reads its checkpoint. Signatures by other keys are passed over. Without a key, which is
// nil, only the form is checked.
func Open(signed []byte, by *Verifier, witnesses ...*Verifier) (Checkpoint, *note.Note, error) {
	n, err := openNote(signed, by, witnesses)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("%w: the seal there %w", ErrLog, err)
	}
	for _, s := range slices.Concat(n.Sigs, n.UnverifiedSigs) {
		if !isBase64(s.Base64) {
			return Checkpoint{}, nil, fmt.Errorf("%w: a signature there is not written as base64 writes it", ErrLog)
		}
	}
	c, err := ParseCheckpoint(n.Text)
	switch {
	case err != nil:
		return Checkpoint{}, nil, fmt.Errorf("%w: %w", ErrLog, err)
	case by != nil && c.Origin != by.Name():
		return Checkpoint{}, nil, fmt.Errorf("%w: the seal there is of %q, the key's name is %q", ErrLog, c.Origin, by.Name())
	}
	return c, n, nil
}

// openNote checks that a note is signed by a log's key and by each of the witnesses.
func openNote(signed []byte, by *Verifier, witnesses []*Verifier) (*note.Note, error) {
	var known []note.Verifier
	if by != nil {
		known = append(known, by.Log())
	}
	for _, w := range witnesses {
		known = append(known, w.Witness())
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown) && len(known) == 0:
		return unknown.Note, nil
	case err != nil:
		return nil, fmt.Errorf("is not signed by the key: %w", err)
	}
	for _, v := range known {
		if !slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == v.Name() && s.Hash == v.KeyHash() }) {
			return nil, fmt.Errorf("is not signed by %s", v.Name())
		}
	}
	return n, nil
}

// isBase64 reports whether a text is what its own bytes are written as: base64 has unused bits at its end.
func isBase64(text string) bool {
	raw, err := base64.StdEncoding.DecodeString(text)
	return err == nil && base64.StdEncoding.EncodeToString(raw) == text
}

// Last returns the newest seal, nil when there is none.
func (l *Log) Last() *Seal {
	if len(l.Seals) == 0 {
		return nil
	}
	return &l.Seals[len(l.Seals)-1]
}

// Begins returns the number of the first event in the tree: 1, unless retention had removed events before the first seal was made.
func (l *Log) Begins() uint64 {
	if len(l.Seals) == 0 {
		return 1
	}
	return max(l.Seals[0].Begins, 1)
}

// After returns the seals that another log does not have yet. All that it has must be in this one.
func (l *Log) After(other *Log) ([]Seal, error) {
	for i := range other.Seals {
		if i >= len(l.Seals) || l.Seals[i].Checkpoint != other.Seals[i].Checkpoint {
			return nil, fmt.Errorf(
				"%s has not the seal over %d events that %s has: it was rolled back, or forked",
				l.path,
				other.Seals[i].Size,
				other.path,
			)
		}
	}
	return l.Seals[len(other.Seals):], nil
}

// Covering returns the oldest seal that an event's number is under, nil when there is none.
func (l *Log) Covering(number uint64) *Seal {
	at, _ := slices.BinarySearchFunc(l.Seals, number, func(s Seal, n uint64) int {
		if s.Size < n {
			return -1
		}
		return 1
	})
	if at == len(l.Seals) {
		return nil
	}
	return &l.Seals[at]
}

// Path returns the file that the log stands in.
func (l *Log) Path() string { return l.path }

// Note returns a seal's signed note.
func (l *Log) Note(s *Seal) ([]byte, error) {
	file, err := os.Open(l.path)
	if err != nil {
		return nil, fmt.Errorf("read seals: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	signed := make([]byte, s.length)
	if _, err := file.ReadAt(signed, s.offset); err != nil {
		return nil, fmt.Errorf("read seals: %w", err)
	}
	return signed, nil
}
