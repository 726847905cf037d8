package file

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink"
)

// Points of a rotation at which Options.Hook is called too.
const (
	pointRotate  = "before-rotate-rename" // the log says that events.jsonl starts again, the file still has its old name
	pointRotated = "after-rotate-rename"  // the segment has its name, a new events.jsonl is not there yet
)

// rotateIfDue rotates before a batch where that is due, and returns the error of an archive that has failed in the background.
func (f *Sink) rotateIfDue(batch *cdc.Batch) error {
	if err := f.archived(false); err != nil {
		return err
	}
	due, err := f.due(batch)
	if err == nil && due {
		err = f.rotate()
	}
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return nil
}

// due reports whether events.jsonl must be finished before the batch. It goes by the events' own clock, so an idle
// database finishes nothing, and a replay is cut where the original was.
func (f *Sink) due(batch *cdc.Batch) (bool, error) {
	o := &f.options
	switch {
	case f.parts || f.committed.end == 0 || len(batch.Events) == 0:
		return false, nil
	case o.RotateSize > 0 && f.committed.end >= o.RotateSize:
		return true, nil
	case o.RotateEvery == 0:
		return false, nil
	}
	if f.begun.IsZero() {
		first, err := firstOf(f.events.file)
		if err != nil {
			return false, err
		}
		f.begun = first.Time
	}
	at, err := time.Parse(time.RFC3339Nano, batch.Events[0].Time)
	return err == nil && at.Truncate(o.RotateEvery).After(f.begun.Truncate(o.RotateEvery)), nil
}

// rotate makes events.jsonl a segment and begins a new one. First the log says so: a commit that begins at 0 where one at
// the old end is expected. From then on a crash leaves either the old file, which the next Resume renames, or the segment.
func (f *Sink) rotate() error {
	if err := f.archived(true); err != nil {
		return err
	}
	first, err := firstOf(f.events.file)
	if err != nil {
		return err
	}
	if err := f.record(extent{}); err != nil {
		return err
	}
	if err := f.options.Hook(pointRotate); err != nil {
		return err
	}
	if err := f.rename(first.Sequence); err != nil {
		return err
	}
	if err := f.options.Hook(pointRotated); err != nil {
		return err
	}
	if err := f.beginAnew(); err != nil {
		return err
	}
	f.startArchive()
	return nil
}

// beginAnew opens an empty events.jsonl. Its name must be durable before anything in it is committed.
func (f *Sink) beginAnew() error {
	old := f.events
	f.events, f.begun = nil, time.Time{}
	if err := old.file.Close(); err != nil {
		return err
	}
	var err error
	if f.events, err = openEvents(f.path(eventsName), extent{}); err != nil {
		return err
	}
	return syncDir(f.dir)
}

// rename gives events.jsonl the name of a segment, unless there has been one with that name.
func (f *Sink) rename(first string) error {
	text := f.path(segmentText(first))
	listed, err := f.manifest()
	if err != nil {
		return err
	}
	for _, s := range listed {
		if s.FirstSequence == first {
			return alreadyThere(f.path(manifestName), first)
		}
	}
	for _, path := range []string{text, text + zipSuffix} {
		if _, err := os.Lstat(path); err == nil {
			return alreadyThere(path, first)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(f.path(eventsName), text); err != nil {
		return err
	}
	return syncDir(f.dir)
}

func alreadyThere(path, first string) error {
	return fmt.Errorf("%w: %s holds a segment that begins with event %s, and so does %s; move one of them away",
		sink.ErrCorrupt, path, first, eventsName)
}

// finishRotation completes a rotation that a crash interrupted between the commit record and the rename.
func (f *Sink) finishRotation() error {
	file, err := openPlain(f.path(eventsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	isOld, err := f.awaitsRename(file)
	if err != nil || !isOld {
		return err
	}
	first, err := firstOf(file)
	if err != nil {
		return err
	}
	if err := f.log.file.Sync(); err != nil { // a killed process may have left the commit record in the page cache only
		return err
	}
	return f.rename(first.Sequence)
}

// opening is what a segment's first event says.
type opening struct {
	Sequence string    `json:"sequence"`
	Time     time.Time `json:"time"`
}

// firstOf reads the first event of a file that has one. It checks the sequence, which becomes part of a file's name.
func firstOf(file *os.File) (o opening, err error) {
	line, err := bufio.NewReader(io.NewSectionReader(file, 0, math.MaxInt64)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return o, err
	}
	if json.Unmarshal(line, &o) != nil || !sink.IsSequence(o.Sequence) {
		return o, fmt.Errorf("%w: the first line of %s is no event with a sequence of 32 hexadecimal digits; restore it from a backup",
			sink.ErrCorrupt, file.Name())
	}
	return o, nil
}
