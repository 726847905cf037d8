package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

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
	last       extent   // the last of them
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

// openRest returns a view of damaged files, for who reads on behind the damage: what stands there in whole lines, committed or
// not.
func (f *Sink) openRest() (*view, error) {
	v := &view{}
	live, err := openPlain(f.path(eventsName))
	if err == nil {
		v.live, v.first = live, damagedFirst
		err = v.extend()
	}
	if err = ignoreCorrupt(ignoreMissing(err)); err == nil {
		err = ignoreCorrupt(f.listSegments(v))
	}
	if err != nil {
		v.close()
		return nil, fmt.Errorf("read file sink: %w", err)
	}
	slices.SortStableFunc(v.segments, func(a, b segmentFile) int { return strings.Compare(a.FirstSequence, b.FirstSequence) })
	return v, nil
}

// damagedFirst stands for the first sequence of a live file that may not have one.
const damagedFirst = "damaged"

// extend lets a view reach to the end of the live file, unless its last commit stands where it should: after damage that has
// moved what stands behind it, the last events are behind what was committed.
func (v *view) extend() error {
	if v.last.end > v.last.start && verifyExtent(v.live, v.last) == nil {
		return nil
	}
	info, err := v.live.Stat()
	if err == nil {
		v.length = info.Size()
	}
	return err
}

// verify holds the live file's events behind a byte against the checksums of their commits, as far as the log has them: a
// compaction keeps that of the last commit only.
func (v *view) verify(ctx context.Context, after int64) error {
	if v.log == nil {
		return nil // what is wrong with it has been told
	}
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
	if v.live, err = openPlain(f.path(eventsName)); err != nil {
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
	v.last, v.begin, v.end = log.committed, log.begin, log.end
	if isOld {
		v.last, v.begin = log.rotated, log.beginRotated
	}
	v.length = v.last.end
	if v.length == 0 {
		return nil
	}
	first, err := firstOf(v.live)
	v.first = first.Sequence
	return err
}

// listSegments reads the directory before the manifest: a segment is listed before its text goes. Beside an error that says
// what is damaged, the view has what could be found.
func (f *Sink) listSegments(v *view) error {
	found, err := f.names()
	if err != nil {
		return err
	}
	listed, damage := f.manifest()
	if damage != nil && !errors.Is(damage, sink.ErrCorrupt) {
		return damage
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
		name := segmentText(first) + zipSuffix
		v.segments = append(v.segments, segmentFile{Segment{File: name, FirstSequence: first}, true})
		damage = cmp.Or(damage, fmt.Errorf("%w: %s is not in %s; restore that from a backup, or move the segment away",
			sink.ErrCorrupt, f.path(name), manifestName))
	}
	if at := slices.IndexFunc(v.segments, func(s segmentFile) bool { return s.FirstSequence == v.first }); at >= 0 {
		v.segments = v.segments[:at]
	}
	return damage
}

// hole returns the error of a segment that is missing between others, nil where there is none.
func (f *Sink) hole(v *view) error {
	segments, _ := v.removed()
	for _, s := range v.segments[segments:] {
		if !s.there {
			return f.missing(s)
		}
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
