package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"

	"lowcap-cdc/sink"
)

const (
	partialSuffix = ".partial"
	mostBuffered  = 32 << 20 // bytes of events in memory, over all files of a segment
)

// segmentWriter spreads a segment's events over one file for each type and day.
type segmentWriter struct {
	dir, name string
	parts     map[string]*part // by path
	events    int
	buffered  int // bytes of events that are in no row group yet
}

// part is a file that is being written.
type part struct {
	file     *os.File
	rows     *parquet.GenericWriter[row]
	buffered int
}

func newSegmentWriter(dir, name string) *segmentWriter {
	return &segmentWriter{dir: dir, name: name, parts: make(map[string]*part)}
}

// add appends the next event.
func (w *segmentWriter) add(e *sink.Stored) error {
	r, at, err := rowOf(e)
	if err != nil {
		return err
	}
	// A type is escaped as Hive does; so one with a slash leads nowhere else.
	path := filepath.Join(w.dir, "type="+url.PathEscape(string(at.typ)), "day="+at.day, w.name+".parquet")
	p, err := w.part(path)
	if err != nil {
		return err
	}
	if _, err := p.rows.Write([]row{r}); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	w.events++
	p.buffered += len(e.Value)
	w.buffered += len(e.Value)
	if w.buffered < mostBuffered {
		return nil
	}
	return w.relieve()
}

// part returns the file at path, and begins it when it is new.
func (w *segmentWriter) part(path string) (*part, error) {
	if p, ok := w.parts[path]; ok {
		return p, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path+partialSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return nil, err
	}
	p := &part{file: file, rows: parquet.NewGenericWriter[row](file, parquet.Compression(&parquet.Zstd))}
	w.parts[path] = p
	return p, nil
}

// relieve writes a row group to each file that holds at least its share.
func (w *segmentWriter) relieve() error {
	share := w.buffered / len(w.parts)
	for _, key := range slices.Sorted(maps.Keys(w.parts)) {
		p := w.parts[key]
		if p.buffered < share {
			continue
		}
		if err := p.rows.Flush(); err != nil {
			return fmt.Errorf("write %s: %w", key, err)
		}
		w.buffered -= p.buffered
		p.buffered = 0
	}
	return nil
}

// finish completes the files, under their partial names, and returns the paths that they are to have.
func (w *segmentWriter) finish() ([]string, error) {
	paths := slices.Sorted(maps.Keys(w.parts))
	for _, path := range paths {
		p := w.parts[path]
		if err := errors.Join(p.rows.Close(), p.file.Sync(), p.file.Close()); err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
	}
	return paths, nil
}

// abandon closes what finish has not; the next try writes over it.
func (w *segmentWriter) abandon() {
	for _, p := range w.parts {
		p.file.Close() //nolint:errcheck // closed before, or not wanted any more
	}
}
