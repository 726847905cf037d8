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
	file, err = openPlain(f.path(stateName))
	if errors.Is(err, fs.ErrNotExist) {
		if missing := f.stateMissing(); missing != nil {
			return nil, log, missing
		}
	}
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
// oldest segments may have been removed; one that is missing between others is sink.ErrCorrupt. Who handles damage gets what
// is there all the same: behind a broken state.log everything that stands in whole lines, committed or not.
func (f *Sink) ReadEvents(ctx context.Context, r sink.Range, visit func(*sink.Stored) error) error {
	m := mark{visit: r.Filter(visit), damaged: r.Damaged}
	if m.damaged == nil {
		m.damaged = f.options.Damaged
	}
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

// tell hands damage to who reads on behind it. It returns every other error, and damage where nobody does.
func (m *mark) tell(err error) error {
	if m.damaged == nil || !errors.Is(err, sink.ErrCorrupt) {
		return err
	}
	return m.damaged(err)
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
		if err = m.tell(err); err == nil {
			v, err = f.openRest()
		}
	}
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
	if err := v.verify(ctx, m.offset); err != nil {
		if err := m.tell(err); err != nil {
			return err
		}
		if err := v.extend(); err != nil {
			return err
		}
	}
	return m.lines(ctx, io.NewSectionReader(v.live, m.offset, v.length-m.offset), v.live.Name(), eventsName, v.length)
}

// from returns the segments from the one that begins with first on, without those that were removed: retention may overtake who
// reads slowly.
func (v *view) from(first string) ([]segmentFile, error) {
	removed, _ := v.removed()
	if first == "" {
		return v.segments[removed:], nil
	}
	if at := slices.IndexFunc(v.segments, func(s segmentFile) bool { return s.FirstSequence == first }); at >= 0 {
		return v.segments[max(at, removed):], nil
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
		return m.tell(f.missing(s))
	}
	m.enter(s.FirstSequence)
	text, err := f.openSegment(s)
	if err != nil {
		return m.tell(fmt.Errorf("read file sink: %w", err))
	}
	defer text.Close() //nolint:errcheck // it was only read
	seen := newTally()
	read := io.TeeReader(text, seen)
	if n, err := io.CopyN(io.Discard, read, m.offset); errors.Is(err, io.EOF) {
		return m.tell(tooShort(f.path(s.File), n, m.offset))
	} else if err != nil {
		return m.tell(fmt.Errorf("read %s up to byte %d: %w", f.path(s.File), m.offset, err))
	}
	if err := m.lines(ctx, read, f.path(s.File), s.File, 0); err != nil || ctx.Err() != nil {
		return m.tell(err)
	}
	if finding := s.compare(seen); finding != "" {
		return m.tell(fmt.Errorf("%w: %s %s; restore it from a backup", sink.ErrCorrupt, f.path(s.File), finding))
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

// longestLine bounds a line, in bytes. An event is far below.
const longestLine = 64 << 20

// lines visits the lines up to the end of a text, which is at byte end unless that is 0.
func (m *mark) lines(ctx context.Context, text io.Reader, path, name string, end int64) error {
	lines := bufio.NewReader(text)
	for ctx.Err() == nil {
		line, size, err := readLine(lines)
		if errors.Is(err, io.EOF) && size == 0 && m.offset >= end {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return m.tell(tooShort(path, m.offset+size, max(end, m.offset+size+1)))
		}
		if err != nil {
			return err
		}
		if err := m.line(line, size, path, name); err != nil {
			return err
		}
		m.offset += size
	}
	return nil
}

// line visits one line; nil stands for one that is too long. Who handles damage is told of what is no event.
func (m *mark) line(line []byte, size int64, path, name string) error {
	event := sink.Stored{Topic: name, Offset: m.offset, Value: line}
	if m.damaged != nil {
		why := "it is too long"
		if line != nil {
			why = event.NotEvent()
		}
		if why != "" {
			return m.tell(fmt.Errorf("%w: %s has a line of %d bytes at byte %d that is no event: %s; restore it from a backup",
				sink.ErrCorrupt, path, size, m.offset, why))
		}
	}
	if line == nil {
		return fmt.Errorf("%w: %s has a line of %d bytes at byte %d; restore it from a backup", sink.ErrCorrupt, path, size, m.offset)
	}
	event.Key = []byte(gjson.GetBytes(line, "partitionkey").String())
	return m.visit(&event)
}

// readLine reads a line and returns it without its end, or nil where it is too long. size is what was read, the end included;
// io.EOF says that the end is missing.
func readLine(lines *bufio.Reader) (line []byte, size int64, err error) {
	for {
		piece, err := lines.ReadSlice('\n')
		size += int64(len(piece))
		if size <= longestLine {
			line = append(line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, size, err
		case size > longestLine:
			return nil, size, nil
		}
		return line[:len(line)-1], size, nil
	}
}

// Segments returns the finished segments that are there, in their order, as the manifest has them. Of those that were
// removed it tells how many; one that is missing between others is sink.ErrCorrupt.
func (f *Sink) Segments() (there []Segment, removed int, err error) {
	v := &view{}
	if err := f.listSegments(v); err != nil {
		return nil, 0, fmt.Errorf("read file sink: %w", err)
	}
	if err := f.hole(v); err != nil {
		return nil, 0, err
	}
	removed, _ = v.removed()
	for _, s := range v.segments[removed:] {
		if s.SHA256 != "" { // else it is not listed yet
			there = append(there, s.Segment)
		}
	}
	return there, removed, nil
}

// ReadSegment hands the events of a finished segment to visit, as ReadEvents does.
func (f *Sink) ReadSegment(ctx context.Context, s Segment, visit func(*sink.Stored) error) error {
	return f.readSegment(ctx, &mark{visit: visit}, segmentFile{s, true})
}
