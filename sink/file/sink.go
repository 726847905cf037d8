// Package file is the file sink: a directory that holds events as lines of JSON, and a log of what was committed.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lowcap-cdc/cdc"
)

// The files of a file sink, in its directory.
const (
	eventsName = "events.jsonl"
	stateName  = "state.log"
	newName    = "state.log.new" // a compaction that has not been renamed yet
	lockName   = "lock"
)

// Points at which Options.Hook is called.
const (
	pointProduce = "before-produce"
	pointEnd     = "before-end-txn"
	pointEnded   = "after-end-txn"
	pointRename  = "before-compact-rename"
	pointRenamed = "after-compact-rename"
)

// Options tune a Sink. The zero value writes one file for ever.
type Options struct {
	// Hook is a failpoint for tests: an error from it ends the commit there, as a crash would. The points are
	// "before-produce" (nothing of the batch is written), "before-end-txn" (events are durable, the state record is
	// not written), "after-end-txn" (the commit is durable), "before-compact-rename" and "after-compact-rename".
	// The points of a rotation are "before-rotate-rename" and "after-rotate-rename"; those of a segment's compression,
	// which another goroutine does in the background, "before-archive-rename" and "after-archive-rename", each for
	// the compressed file and then for the manifest. A reader has "before-read-log" and "before-read-segments".
	Hook func(point string) error

	// RotateSize finishes events.jsonl before a commit that finds at least so many bytes in it. RotateEvery divides time,
	// in UTC, into periods of this length (24h: days) and finishes events.jsonl before a commit that begins in a later
	// period than events.jsonl does; the clock is the commit time of events. 0 is never. What is finished becomes
	// events-<first sequence>.jsonl.gz and a line of manifest.jsonl.
	RotateSize  int64
	RotateEvery time.Duration

	// Damaged is for reads whose sink.Range has no such handler of its own.
	Damaged func(error) error
	// Notice, when not nil, gets one line about what Resume has changed that somebody may miss.
	Notice func(string)
	// Missing, when not nil, gets the sink.ErrCorrupt of a finished segment that Resume misses, or misses in the manifest. Readers
	// end there; what is appended does not stand on it.
	Missing func(error)
}

// Sink is a sink of two files in one directory: events.jsonl, one CloudEvent a line in sequence order, and state.log,
// an append-only log of what was committed. With rotation, older events are in segments in the same directory; see Segment.
//
// Commit appends the events and syncs, then appends one state record and syncs. A batch is committed exactly when its
// state record is complete on disk: the record holds the length of events.jsonl, a checksum of the events, and the state.
type Sink struct {
	dir     string
	options Options

	locks     []*os.File
	events    *eventLog
	log       *logWriter
	live      *liveSet
	logState             // what the log says
	parts     bool       // a batch with More was written
	begun     time.Time  // commit time of the first event in events.jsonl; zero until it is needed
	archiving chan error // yields one outcome when the archive is done; nil while nothing is archived
	failed    error      // why only Close may be called
}

// New returns a sink that keeps its files in dir, which Resume creates. It touches no file.
func New(dir string, options Options) (*Sink, error) {
	if dir == "" {
		return nil, errors.New("open file sink: no directory given; name the one that shall hold " + eventsName)
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open file sink %s: %w", dir, err)
	}
	if options.Hook == nil {
		options.Hook = func(string) error { return nil }
	}
	return &Sink{dir: absolute, options: options, failed: errors.New("not resumed yet: call Resume first")}, nil
}

// Commit appends the batch. With Batch.More set its events and state are written but count only once a batch without
// More has followed. An error names the file and what to do about it.
func (f *Sink) Commit(ctx context.Context, batch *cdc.Batch) error {
	if f.failed != nil {
		return fmt.Errorf("commit to %s: %w", f.dir, f.failed)
	}
	if err := f.commit(ctx, batch); err != nil {
		f.failed = fmt.Errorf("an earlier commit failed, start again from Resume: %w", err)
		return fmt.Errorf("commit to %s: %w", f.dir, f.advise(err))
	}
	return nil
}

func (f *Sink) commit(ctx context.Context, batch *cdc.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.options.Hook(pointProduce); err != nil {
		return err
	}
	if err := f.rotateIfDue(batch); err != nil {
		return err
	}
	f.parts = batch.More
	if err := f.write(batch); err != nil || batch.More {
		return err
	}
	if err := f.events.sync(); err != nil {
		return fmt.Errorf("append events: %w", err)
	}
	if err := f.log.syncParts(); err != nil {
		return fmt.Errorf("append state: %w", err)
	}
	if err := f.options.Hook(pointEnd); err != nil {
		return err
	}
	if err := f.checkNames(); err != nil {
		return err
	}
	if err := f.seal(); err != nil {
		return fmt.Errorf("append commit record: %w", err)
	}
	if err := f.options.Hook(pointEnded); err != nil {
		return err
	}
	return f.compact()
}

// write writes the batch without making it count.
func (f *Sink) write(batch *cdc.Batch) error {
	for i := range batch.Events {
		value := batch.Events[i].Value
		if bytes.IndexByte(value, '\n') >= 0 {
			return fmt.Errorf("append event %s: it holds a line end; this is a bug, please report it", batch.Events[i].ID)
		}
		if err := f.events.append(value); err != nil {
			return fmt.Errorf("append events: %w", err)
		}
	}
	for _, record := range batch.State {
		if err := f.log.add(record.Key, record.Value); err != nil {
			return fmt.Errorf("append state: %w", err)
		}
		f.live.apply(record.Key, record.Value)
	}
	return nil
}

// seal writes the commit record, the one write that makes a commit count.
func (f *Sink) seal() error {
	if err := f.record(f.events.extent); err != nil {
		return err
	}
	f.events.begin(f.committed.end)
	return nil
}

// record writes a commit record.
func (f *Sink) record(events extent) error {
	before := f.log.offset
	if err := f.log.commit(events); err != nil {
		// After a failed fsync the kernel may show the record as written though the disk has not got it, so the next
		// Resume would believe in it. Take it back.
		return errors.Join(err, f.log.file.Truncate(before))
	}
	f.advance(f.log.offset, events)
	return nil
}

// Close waits for a segment that is being compressed, closes the files and releases the lock. The next Resume cuts off what
// was not committed.
func (f *Sink) Close() error {
	f.failed = errors.New("the sink is closed")
	failures := []error{f.archived(true)}
	if f.events != nil {
		failures = append(failures, f.events.file.Close())
	}
	if f.log != nil {
		failures = append(failures, f.log.file.Close())
	}
	for _, lock := range f.locks {
		failures = append(failures, lock.Close())
	}
	f.events, f.log, f.locks, f.live = nil, nil, nil, nil
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("close file sink: %w", err)
	}
	return nil
}

func (f *Sink) path(name string) string { return filepath.Join(f.dir, name) }
