package main

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

const (
	backBatch = 1000 // events of one commit
	readAhead = 64   // rows of each Parquet file that are in memory
)

// back writes the events of the Parquet files below from, in the order of their sequence, into a new file sink in dir, as they were
// committed. So every verb that reads a file sink reads them: report, trades, audit verify.
func back(from, dir string, out io.Writer) error {
	segments, err := convertedIn(from)
	if err != nil {
		return err
	}
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return fmt.Errorf("%s is not empty; name a new directory, for what is there may be a sidecar's", dir)
	}
	to, err := file.New(dir, file.Options{})
	if err != nil {
		return err
	}
	w := &backWriter{ctx: context.Background(), to: to}
	err = to.Resume(w.ctx, func(string, []byte) error { return nil })
	for _, name := range slices.Sorted(maps.Keys(segments)) {
		if err == nil {
			err = w.merge(segments[name])
		}
	}
	if err = errors.Join(err, w.flush(err), to.Close()); err != nil {
		return fmt.Errorf("%w; %s holds a part only: delete it before another try", err, dir)
	}
	fmt.Fprintf(out, "%d events of %d segments; run: lowcap-cdc audit verify --sink file:%s\n", w.events, len(segments), dir)
	return nil
}

// convertedIn returns the files of each segment that was written whole.
func convertedIn(dir string) (map[string][]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "type=*", "day=*", "*.parquet"))
	if err != nil {
		return nil, err
	}
	segments := make(map[string][]string)
	for _, path := range paths {
		name := filepath.Base(path[:len(path)-len(".parquet")])
		if _, err := os.Stat(filepath.Join(dir, doneName, name)); err != nil {
			return nil, fmt.Errorf("segment %s was not written whole: %w; convert it again", name, err)
		}
		segments[name] = append(segments[name], path)
	}
	if len(segments) == 0 {
		return nil, fmt.Errorf("there is no type=*/day=*/*.parquet in %s", dir)
	}
	return segments, nil
}

// told is a row, as far as the way back needs it.
type told struct {
	Sequence string `parquet:"sequence"`
	Event    string `parquet:"event,json"`
}

// source is a Parquet file that is being read. Its rows are in the order of their sequence.
type source struct {
	file  *os.File
	rows  *parquet.GenericReader[told]
	ahead []told
	ended bool
}

func openSource(path string) (*source, error) {
	opened, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &source{file: opened}
	if err := s.open(); err != nil {
		opened.Close() //nolint:errcheck // it was only read
		return nil, err
	}
	return s, nil
}

func (s *source) open() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	content, err := parquet.OpenFile(s.file, info.Size())
	if err != nil {
		return fmt.Errorf("%w: read %s: %w", sink.ErrCorrupt, s.file.Name(), err)
	}
	s.rows = parquet.NewGenericReader[told](content)
	return s.fill()
}

// fill reads on when nothing is in memory. The library panics at some files that are damaged.
func (s *source) fill() (err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("%w: read %s: %v", sink.ErrCorrupt, s.file.Name(), broken)
		}
	}()
	if len(s.ahead) > 0 || s.ended {
		return nil
	}
	buffer := make([]told, readAhead)
	n, err := s.rows.Read(buffer)
	s.ahead, s.ended = buffer[:n], errors.Is(err, io.EOF)
	if err != nil && !s.ended {
		return fmt.Errorf("%w: read %s: %w", sink.ErrCorrupt, s.file.Name(), err)
	}
	return nil
}

func (s *source) close() {
	s.rows.Close() //nolint:errcheck // it was only read
	s.file.Close() //nolint:errcheck // it was only read
}

// sources are those that have a row, the one with the smallest sequence first.
type sources []*source

func (s sources) Len() int           { return len(s) }
func (s sources) Less(i, j int) bool { return s[i].ahead[0].Sequence < s[j].ahead[0].Sequence }
func (s sources) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sources) Push(x any)        { *s = append(*s, x.(*source)) }
func (s *sources) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// backWriter commits events.
type backWriter struct {
	ctx    context.Context
	to     *file.Sink
	batch  cdc.Batch
	last   string // sequence
	events int
}

// merge writes the events of one segment, which stand in several files.
func (w *backWriter) merge(paths []string) error {
	var open sources
	defer func() {
		for _, s := range open {
			s.close()
		}
	}()
	for _, path := range paths {
		s, err := openSource(path)
		if err != nil {
			return err
		}
		if len(s.ahead) == 0 {
			s.close()
			continue
		}
		open = append(open, s)
	}
	heap.Init(&open)
	for len(open) > 0 {
		s := open[0]
		if err := w.add(s.ahead[0]); err != nil {
			return err
		}
		s.ahead = s.ahead[1:]
		if err := s.fill(); err != nil {
			return err
		}
		if len(s.ahead) == 0 {
			heap.Pop(&open).(*source).close()
			continue
		}
		heap.Fix(&open, 0)
	}
	return nil
}

func (w *backWriter) add(t told) error {
	stored := sink.Stored{Value: []byte(t.Event)}
	a := stored.Attributes()
	if a.Sequence != t.Sequence || cmp.Compare(a.Sequence, w.last) <= 0 {
		return fmt.Errorf("%w: event %q does not stand where its sequence says", sink.ErrCorrupt, a.ID)
	}
	w.last = a.Sequence
	w.events++
	w.batch.Events = append(w.batch.Events, cdc.Event{Attributes: a, Value: stored.Value})
	if len(w.batch.Events) < backBatch {
		return nil
	}
	return w.flush(nil)
}

// flush commits what is there, unless something has failed.
func (w *backWriter) flush(failed error) error {
	if failed != nil || len(w.batch.Events) == 0 {
		return nil
	}
	err := w.to.Commit(w.ctx, &w.batch)
	w.batch = cdc.Batch{}
	return err
}
