package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"

	"lowcap-cdc/sink"
)

// Points of an archive at which Options.Hook is called, for a segment's file and then for the manifest.
const (
	pointArchive  = "before-archive-rename" // the file is whole, under another name
	pointArchived = "after-archive-rename"
)

// startArchive compresses finished segments in the background: a large one takes seconds. Only this goroutine
// touches finished segments and the manifest, and there is one at a time.
func (f *Sink) startArchive() {
	done := make(chan error, 1)
	f.archiving = done
	go func() { done <- f.archive() }()
}

// archived returns the outcome of the last archive once, and nil while it is running. With wait it waits for the end.
func (f *Sink) archived(wait bool) error {
	if f.archiving == nil || (!wait && len(f.archiving) == 0) {
		return nil
	}
	err := <-f.archiving
	f.archiving = nil
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// archive compresses every segment that is still text, and lists it in the manifest. Each step is atomic, and the text is
// removed last; so after a crash everything is simply done again.
func (f *Sink) archive() error {
	names, err := f.names()
	if err != nil {
		return err
	}
	for _, name := range names.texts() {
		done, err := f.compress(name)
		if err != nil {
			return fmt.Errorf("compress %s: %w", f.path(name), err)
		}
		if err := f.list(done); err != nil {
			return fmt.Errorf("write %s: %w", f.path(manifestName), err)
		}
		if err := os.Remove(f.path(name)); err != nil {
			return err
		}
	}
	return nil
}

// compress writes the compressed form of a segment under its final name, and returns its line for the manifest.
func (f *Sink) compress(name string) (s Segment, err error) {
	text, err := openPlain(f.path(name))
	if err != nil {
		return s, err
	}
	defer text.Close() //nolint:errcheck // it was only read
	err = f.replace(name+zipSuffix, func(out io.Writer) error {
		zip, seen := gzip.NewWriter(out), newTally()
		if _, err := io.CopyBuffer(io.MultiWriter(zip, seen), onlyReader{text}, make([]byte, 1<<18)); err != nil {
			return err
		}
		if s, err = seen.segment(name); err != nil {
			return err
		}
		return zip.Close()
	})
	return s, err
}

// onlyReader hides a file's other methods, which would make io.CopyBuffer ignore its buffer.
type onlyReader struct{ io.Reader }

// tally counts the text of a segment that is written to it.
type tally struct {
	events int
	bytes  int64
	sum    hash.Hash
	last   []byte // the last line, and what came before it in the same piece
}

func newTally() *tally { return &tally{sum: sha256.New()} }

func (t *tally) Write(text []byte) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	t.events += bytes.Count(text, []byte{'\n'})
	t.bytes += int64(len(text))
	t.last = append(t.last, text...)
	if end := bytes.LastIndexByte(t.last[:len(t.last)-1], '\n'); end >= 0 {
		t.last = t.last[:copy(t.last, t.last[end+1:])]
	}
	if len(t.last) > longestLine {
		t.last = t.last[:1] // no event any more
	}
	return t.sum.Write(text)
}

// segment returns what was counted as the manifest says it.
func (t *tally) segment(name string) (Segment, error) {
	first, _ := segmentFirst(name)
	var last opening
	if json.Unmarshal(t.last, &last) != nil || !sink.IsSequence(last.Sequence) {
		return Segment{}, fmt.Errorf("%w: its last line is no event with a sequence; restore it from a backup", sink.ErrCorrupt)
	}
	return Segment{File: segmentText(first) + zipSuffix, FirstSequence: first, LastSequence: last.Sequence,
		Events: t.events, Bytes: t.bytes, SHA256: hex.EncodeToString(t.sum.Sum(nil))}, nil
}
