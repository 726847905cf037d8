package file

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lowcap-cdc/sink"
)

// The names of finished segments: events-<first sequence>.jsonl until it is compressed, then with .gz behind it.
const (
	segmentPrefix = "events-"
	segmentSuffix = ".jsonl"
	zipSuffix     = ".gz"
	partialSuffix = ".partial" // whatever has it may be removed
	manifestName  = "manifest.jsonl"
)

// Segment is a line of manifest.jsonl: a finished part of the events, in their order. A segment whose file is gone was
// removed; the oldest ones may be, to keep the directory small.
type Segment struct {
	File          string `json:"file"`           // its name, in the sink's directory
	FirstSequence string `json:"first_sequence"` // of its first event
	LastSequence  string `json:"last_sequence"`  // of its last event
	Events        int    `json:"events"`         // how many it holds, one a line
	Bytes         int64  `json:"bytes"`          // of its text, before compression
	SHA256        string `json:"sha256"`         // of its text, hexadecimal
}

// segmentText returns the name of a segment that is not compressed yet.
func segmentText(first string) string { return segmentPrefix + first + segmentSuffix }

// segmentFirst returns the first sequence of a segment by its file's name, compressed or not.
func segmentFirst(name string) (first string, ok bool) {
	first, ours := strings.CutPrefix(strings.TrimSuffix(name, zipSuffix), segmentPrefix)
	first, text := strings.CutSuffix(first, segmentSuffix)
	return first, ours && text && sink.IsSequence(first)
}

// manifest reads manifest.jsonl. Without one nothing was finished. Beside sink.ErrCorrupt it returns the lines that are whole.
func (f *Sink) manifest() (listed []Segment, err error) {
	file, err := openPlain(f.path(manifestName))
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		s, ok := parseLine(line)
		if ok {
			listed = append(listed, s)
			continue
		}
		err = cmp.Or(err, fmt.Errorf("%w: line %d of %s names no segment, or is not the line that was written; restore it from a backup",
			sink.ErrCorrupt, number, f.path(manifestName)))
	}
	return listed, err
}

// manifestLine is a Segment and the CRC-32C, hexadecimal, of its JSON. Lines of older versions have none.
type manifestLine struct {
	Segment
	Check string `json:"check,omitempty"`
}

// newLine returns the line of a segment.
func newLine(s Segment) manifestLine {
	text, _ := json.Marshal(s) // strings and numbers cannot fail
	return manifestLine{Segment: s, Check: fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli))}
}

// parseLine reads a line and reports whether it is what was written. Any other key may have been the checksum's.
func parseLine(text []byte) (s Segment, ok bool) {
	var line manifestLine
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&line) != nil || !bytes.HasSuffix(text, []byte("}\n")) {
		return s, false
	}
	first, named := segmentFirst(line.File)
	same, err := json.Marshal(line) // also no key in another case, which the decoder takes
	return line.Segment, err == nil && bytes.Equal(text, append(same, '\n')) && named && first == line.FirstSequence &&
		(line.Check == "" || line == newLine(line.Segment))
}

// list adds a segment to the manifest unless it is there.
func (f *Sink) list(s Segment) error {
	listed, err := f.manifest()
	if err != nil || slices.Contains(listed, s) {
		return err
	}
	return f.replace(manifestName, func(out io.Writer) error {
		lines := json.NewEncoder(out)
		for _, s := range append(listed, s) {
			if err := lines.Encode(newLine(s)); err != nil {
				return err
			}
		}
		return nil
	})
}

// replace puts a file in the place of the one with that name, whole or not at all.
func (f *Sink) replace(name string, write func(io.Writer) error) error {
	partial := f.path(name) + partialSuffix
	file, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := f.options.Hook(pointArchive); err != nil {
		return err
	}
	if err := os.Rename(partial, f.path(name)); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(partial)); err != nil {
		return err
	}
	return f.options.Hook(pointArchived)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
