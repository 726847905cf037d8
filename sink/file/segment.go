package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"syscall"

	"github.com/klauspost/compress/gzip"

	"lowcap-cdc/sink"
)

// names are the segment files in a directory: by first sequence, whether the text, the compressed form, or both are there.
type names map[string]struct{ text, zip bool }

// names looks into the directory.
func (f *Sink) names() (names, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	found := make(names)
	for _, entry := range entries {
		first, ok := segmentFirst(entry.Name())
		if !ok {
			continue
		}
		n := found[first]
		isText := entry.Name() == segmentText(first)
		n.text, n.zip = n.text || isText, n.zip || !isText
		found[first] = n
	}
	return found, nil
}

// texts returns the names of segments that are not compressed yet, in their order.
func (n names) texts() []string {
	var list []string
	for first, is := range n {
		if is.text {
			list = append(list, segmentText(first))
		}
	}
	slices.Sort(list)
	return list
}

// openSegment opens the text of a segment, which may be compressed at this moment.
func (f *Sink) openSegment(s segmentFile) (text io.ReadCloser, err error) {
	first := s.FirstSequence
	file, err := openPlain(f.path(segmentText(first)))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	limit := int64(math.MaxInt64)
	if s.SHA256 != "" {
		limit = s.Bytes + 1 // more is damage already, and may be without end
	}
	return openZip(f.path(segmentText(first)+zipSuffix), limit)
}

// openZip opens a compressed file for reading, up to a number of bytes of its text.
func openZip(path string, limit int64) (io.ReadCloser, error) {
	file, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(file)
	if err != nil {
		return nil, errors.Join(damaged(file.Name(), err), file.Close())
	}
	return &unzipped{io.LimitReader(zip, limit), file}, nil
}

// unzipped is the text of a compressed file.
type unzipped struct {
	zip  io.Reader
	file *os.File
}

// Read says which file is damaged.
func (u *unzipped) Read(p []byte) (int, error) {
	n, err := u.zip.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged(u.file.Name(), err)
	}
	return n, err
}

// Close closes the file.
func (u *unzipped) Close() error { return u.file.Close() }

func damaged(path string, err error) error {
	return fmt.Errorf("%w: %s: %w; restore it from a backup", sink.ErrCorrupt, path, err)
}

// openPlain opens a file for reading. Something else of that name, on which a reader might wait for ever, is damage.
func openPlain(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := isPlain(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func isPlain(file *os.File) error {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is no plain file but %v; restore it from a backup", sink.ErrCorrupt, file.Name(), info.Mode())
	}
	return err
}
