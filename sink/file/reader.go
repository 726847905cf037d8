package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/sink"
)

// pollEvery is how often a reader that follows looks for a new commit.
const pollEvery = 100 * time.Millisecond

// ReadState implements Reader.
func (f *Sink) ReadState(ctx context.Context, load func(key string, value []byte) error) error {
	file, log, err := f.openCommitted()
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	reader, err := newLogReader(file, log.end)
	if err != nil {
		return err
	}
	for {
		record, err := reader.next()
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read %s at offset %d: %w", f.path(stateName), reader.offset, err)
		}
		if err := eachEntry(record.entries, load); err != nil {
			return err
		}
	}
}

// openCommitted opens state.log for reading, also while it is written to, and returns what its commits say.
func (f *Sink) openCommitted() (file *os.File, log logState, err error) {
	file, err = os.Open(f.path(stateName))
	if err != nil {
		return nil, log, fmt.Errorf("read file sink: %w; has anything been written there yet?", err)
	}
	log, err = readLogState(context.Background(), file)
	if err != nil {
		return nil, log, errors.Join(err, file.Close())
	}
	return file, log, nil
}

// ReadEvents implements Reader. A file has no topics: all of its events are read, those of other topics left out. The
// oldest segments may have been removed; one that is missing between others is sink.ErrCorrupt.
func (f *Sink) ReadEvents(ctx context.Context, r sink.Range, visit func(*sink.Stored) error) error {
	m := mark{visit: r.Filter(visit), damaged: r.Damaged}
	for {
		if err := f.readChanged(ctx, &m); err != nil {
			return err
		}
		if !r.Follow || ctx.Err() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// mark is how far a reader has come.
type mark struct {
	first  string      // the segment, by its first sequence; empty at the very beginning
	offset int64       // the byte of its text up to which everything was handed out
	log    fs.FileInfo // of state.log when it was looked at last
	visit  func(*sink.Stored) error

	damaged func(error) error // see sink.Range
}

// readChanged is readNew if there is a commit since the last time: every commit makes the log longer, or puts another in
// its place.
func (f *Sink) readChanged(ctx context.Context, m *mark) error {
	now, err := os.Stat(f.path(stateName))
	if err == nil && m.log != nil && os.SameFile(now, m.log) && now.Size() == m.log.Size() {
		return nil
	}
	if err == nil { // else readNew says what is wrong
		m.log = now
	}
	return f.readNew(ctx, m)
}

// readNew visits what was committed since the last time, and moves the mark.
func (f *Sink) readNew(ctx context.Context, m *mark) error {
	v, err := f.openView()
	if err != nil {
		return err
	}
	defer v.close()
	rest, err := v.from(m.first)
	if err != nil {
		return err
	}
	for _, s := range rest {
		if err := f.readSegment(ctx, m, s); err != nil || ctx.Err() != nil {
			return err
		}
	}
	if v.first == "" {
		return nil
	}
	m.enter(v.first)
	err = v.verify(ctx, m.offset)
	if errors.Is(err, sink.ErrCorrupt) && m.damaged != nil {
		err = m.damaged(err)
	}
	if err != nil {
		return err
	}
	return m.lines(ctx, io.NewSectionReader(v.live, m.offset, v.length-m.offset), eventsName, v.length)
}

// from returns the segments from the one that begins with first on, without those that were removed before it.
func (v *view) from(first string) ([]segmentFile, error) {
	if first == "" {
		segments, _ := v.removed()
		return v.segments[segments:], nil
	}
	if at := slices.IndexFunc(v.segments, func(s segmentFile) bool { return s.FirstSequence == first }); at >= 0 {
		return v.segments[at:], nil
	}
	if first != v.first {
		return nil, fmt.Errorf("%w: the segment that begins with event %s is no longer known; read again from the beginning",
			sink.ErrCorrupt, first)
	}
	return nil, nil
}

// readSegment visits the rest of a finished segment.
func (f *Sink) readSegment(ctx context.Context, m *mark, s segmentFile) error {
	if !s.there {
		return f.missing(s)
	}
	m.enter(s.FirstSequence)
	text, err := f.openSegment(s.FirstSequence)
	if err != nil {
		return fmt.Errorf("read file sink: %w", err)
	}
	defer text.Close() //nolint:errcheck // it was only read
	seen := newTally()
	read := io.TeeReader(text, seen)
	if n, err := io.CopyN(io.Discard, read, m.offset); errors.Is(err, io.EOF) {
		return tooShort(f.path(s.File), n, m.offset)
	} else if err != nil {
		return fmt.Errorf("read %s up to byte %d: %w", f.path(s.File), m.offset, err)
	}
	if err := m.lines(ctx, read, s.File, 0); err != nil || ctx.Err() != nil {
		return err
	}
	if finding := s.compare(seen); finding != "" {
		return fmt.Errorf("%w: %s %s; restore it from a backup", sink.ErrCorrupt, f.path(s.File), finding)
	}
	return nil
}

func (f *Sink) missing(s segmentFile) error {
	return fmt.Errorf("%w: %s is missing, though older segments are there; restore it from a backup", sink.ErrCorrupt, f.path(s.File))
}

// enter moves the mark to the beginning of a segment unless it is in it already.
func (m *mark) enter(first string) {
	if m.first != first {
		m.first, m.offset = first, 0
	}
}

// lines visits the lines up to the end of a text, which is at byte end unless that is 0.
func (m *mark) lines(ctx context.Context, text io.Reader, name string, end int64) error {
	lines := bufio.NewReader(text)
	for ctx.Err() == nil {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 && m.offset >= end {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return tooShort(name, m.offset+int64(len(line)), end)
		}
		if err != nil {
			return err
		}
		value := line[:len(line)-1]
		key := gjson.GetBytes(value, "partitionkey").String()
		if err := m.visit(&sink.Stored{Topic: name, Offset: m.offset, Key: []byte(key), Value: value}); err != nil {
			return err
		}
		m.offset += int64(len(line))
	}
	return nil
}

// Segments returns the finished segments that are there, in their order, as the manifest has them. Of those that were
// removed it tells how many; one that is missing between others is sink.ErrCorrupt.
func (f *Sink) Segments() (there []Segment, removed int, err error) {
	v := &view{}
	if err := f.listSegments(v); err != nil {
		return nil, 0, fmt.Errorf("read file sink: %w", err)
	}
	removed, _ = v.removed()
	for _, s := range v.segments[removed:] {
		switch {
		case !s.there:
			return nil, 0, f.missing(s)
		case s.SHA256 != "": // else it is not listed yet
			there = append(there, s.Segment)
		}
	}
	return there, removed, nil
}

// ReadSegment hands the events of a finished segment to visit, as ReadEvents does.
func (f *Sink) ReadSegment(ctx context.Context, s Segment, visit func(*sink.Stored) error) error {
	return f.readSegment(ctx, &mark{visit: visit}, segmentFile{s, true})
}
