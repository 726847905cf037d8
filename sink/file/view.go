package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"lowcap-cdc/sink"
)

// view is what a reader of a running sink sees at one moment: everything that was committed.
type view struct {
	segments []segmentFile
	live     *os.File // events.jsonl; nil where it is not there
	length   int64    // how much of it is committed
	first    string   // sequence of its first event, when there is a committed one

	log        *os.File // state.log
	begin, end int64    // where in it the commits of the live file are
}

// segmentFile is a finished segment. One that is not listed yet has only a file and a first sequence.
type segmentFile struct {
	Segment
	there bool // its file has not been removed
}

func (v *view) close() {
	for _, file := range []*os.File{v.live, v.log} {
		if file != nil {
			file.Close() //nolint:errcheck // it was only read
		}
	}
}

// verify holds the live file's events behind a byte against the checksums of their commits, as far as the log has them: a
// compaction keeps that of the last commit only.
func (v *view) verify(ctx context.Context, after int64) error {
	reader, err := newLogReader(v.log, v.end)
	if err != nil {
		return err
	}
	for reader.seek(v.begin); ctx.Err() == nil; {
		record, err := reader.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read %s at offset %d: %w", v.log.Name(), reader.offset, err)
		case record.commit && record.events.end > after:
			if err := verifyExtent(v.live, record.events); err != nil {
				return err
			}
		}
	}
	return nil
}

// Points at which a reader calls Options.Hook: a rotation may happen there.
const (
	pointLog      = "before-read-log"      // it has opened events.jsonl
	pointSegments = "before-read-segments" // it knows how much of that is committed
)

// attempts is how often openView tries: a rotation disturbs it, and takes moments.
const attempts = 10

// openView returns a view. The log is read while a file is known to be events.jsonl, so that both belong together; then the
// segments before that file are looked up. A file that is rotated meanwhile is not missed: it is the one that was opened.
func (f *Sink) openView() (*view, error) {
	for range attempts {
		v := &view{}
		ok, err := f.openLive(v)
		if err == nil && ok {
			err = errors.Join(f.options.Hook(pointSegments), f.listSegments(v))
		}
		if err == nil && ok {
			return v, nil
		}
		v.close()
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s is missing or replaced again and again; restore it from a backup", sink.ErrCorrupt, f.path(eventsName))
}

// openLive reports false when there was a rotation meanwhile.
func (f *Sink) openLive(v *view) (ok bool, err error) {
	if v.live, err = os.Open(f.path(eventsName)); err != nil {
		v.live = nil
		if !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("read file sink: %w", err)
		}
	}
	if err := f.options.Hook(pointLog); err != nil {
		return false, err
	}
	file, log, err := f.openCommitted()
	if err != nil {
		return false, err
	}
	v.log = file
	if v.live == nil {
		return log.committed.end == 0, nil
	}
	if err := v.measure(&log); err != nil {
		return false, err
	}
	return f.isNamed(eventsName, v.live)
}

// measure learns how much of the live file is committed, and how it begins.
func (v *view) measure(log *logState) error {
	isOld, err := log.awaitsRename(v.live)
	if err != nil {
		return err
	}
	v.length, v.begin, v.end = log.committed.end, log.begin, log.end
	if isOld {
		v.length, v.begin = log.rotated.end, log.beginRotated
	}
	if v.length == 0 {
		return nil
	}
	first, err := firstOf(v.live)
	v.first = first.Sequence
	return err
}

// listSegments reads the directory before the manifest: a segment is listed before its text goes.
func (f *Sink) listSegments(v *view) error {
	found, err := f.names()
	if err != nil {
		return err
	}
	listed, err := f.manifest()
	if err != nil {
		return err
	}
	for _, s := range listed {
		is := found[s.FirstSequence]
		v.segments = append(v.segments, segmentFile{s, is.text || is.zip})
		delete(found, s.FirstSequence)
	}
	for _, name := range found.texts() {
		first, _ := segmentFirst(name)
		v.segments = append(v.segments, segmentFile{Segment{File: name, FirstSequence: first}, true})
		delete(found, first)
	}
	for first := range found {
		return fmt.Errorf("%w: %s is not in %s; restore that from a backup, or move the segment away",
			sink.ErrCorrupt, f.path(segmentText(first)+zipSuffix), manifestName)
	}
	if at := slices.IndexFunc(v.segments, func(s segmentFile) bool { return s.FirstSequence == v.first }); at >= 0 {
		v.segments = v.segments[:at]
	}
	return nil
}

// removed returns how many of the oldest segments are gone, and how many events were in them.
func (v *view) removed() (segments, events int) {
	for _, s := range v.segments {
		if s.there {
			break
		}
		segments++
		events += s.Events
	}
	return segments, events
}
