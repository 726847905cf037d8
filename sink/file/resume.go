package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"lowcap-cdc/sink"
)

// Resume locks the directory (ErrLocked when another instance runs there), creates it if need be, cuts off what no
// commit counts, and hands the committed state to load. The files are read as streams; only a digest
// of each key stays in memory. Damage to what was committed is sink.ErrCorrupt, and then no file has been changed.
//
// The promise to a reader of events.jsonl: the committed bytes, as far as the last commit in state.log says, never
// change. Bytes beyond them may be seen for a while, and Resume may cut them off, also in the middle of a line; then the
// same bytes come again in the same place, because events are a function of the WAL. A reader that follows the file
// reads whole lines, and one that finds it shorter than it has read waits until it has grown again. It sees no event
// twice and loses none.
func (f *Sink) Resume(ctx context.Context, load func(key string, value []byte) error) error {
	if f.locks != nil {
		return fmt.Errorf("resume from %s: resumed before; open a new sink", f.dir)
	}
	if err := f.resume(ctx, load); err != nil {
		return fmt.Errorf("resume from %s: %w", f.dir, f.advise(err))
	}
	f.failed = nil
	return nil
}

func (f *Sink) resume(ctx context.Context, load func(string, []byte) error) (err error) {
	if err := makeDir(f.dir); err != nil {
		return err
	}
	if err := f.lock(); err != nil {
		return err
	}
	if err := writable(f.dir); err != nil { // or the first compaction would end the run
		return fmt.Errorf("write in %s: %w", f.dir, err)
	}
	if err := f.createState(); err != nil {
		return fmt.Errorf("create state: %w", err)
	}
	file, err := os.OpenFile(f.path(stateName), os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	f.log = newLogWriter(file, 0)
	if err := isPlain(file); err != nil {
		return err
	}
	if f.logState, err = readLogState(ctx, file); err != nil {
		return err
	}
	f.log.untipped = f.untipped
	if err := f.finishRotation(); err != nil {
		return fmt.Errorf("finish rotation: %w", err)
	}
	if err := f.verifyEvents(ctx); err != nil {
		return fmt.Errorf("check events: %w", err)
	}
	if f.events, err = openEvents(f.path(eventsName), f.committed); err != nil {
		return fmt.Errorf("recover events: %w", err)
	}
	if f.events.cut > 0 && f.options.Notice != nil {
		f.options.Notice(fmt.Sprintf("%s: %d bytes behind the last commit were cut; nothing says that they were committed",
			f.path(eventsName), f.events.cut))
	}
	if err := f.cutState(); err != nil {
		return fmt.Errorf("recover state: %w", err)
	}
	if err := f.replay(ctx, load); err != nil {
		return err
	}
	if _, err := f.manifest(); err != nil { // damage must show now, and not at the next rotation
		return err
	}
	if err := f.tellHole(); err != nil {
		return err
	}
	if err := f.compact(); err != nil {
		return err
	}
	f.startArchive()
	return nil
}

// tellHole says which finished segment is missing, or is in no manifest. What is appended now does not stand on it, so that this
// stops nothing.
func (f *Sink) tellHole() error {
	v := &view{}
	err := f.listSegments(v)
	if err == nil {
		err = f.hole(v)
	}
	if !errors.Is(err, sink.ErrCorrupt) {
		return err
	}
	if f.options.Missing != nil {
		f.options.Missing(err)
	}
	return nil
}

// verifyEvents holds the events against every checksum that the log has of them: nothing is appended behind damage. What was
// committed before the log was compacted last has none; audit verify follows its hashes.
func (f *Sink) verifyEvents(ctx context.Context) error {
	live, err := openPlain(f.path(eventsName))
	if err != nil {
		return ignoreMissing(err) // openEvents knows whether it may be missing
	}
	defer live.Close() //nolint:errcheck // it was only read
	info, err := live.Stat()
	if err != nil {
		return err
	}
	if info.Size() < f.committed.end {
		return tooShort(f.path(eventsName), info.Size(), f.committed.end)
	}
	v := view{live: live, log: f.log.file, begin: f.begin, end: f.end}
	return v.verify(ctx, 0)
}

// createState makes the first state.log, which commits nothing, and removes what an interrupted compaction left.
func (f *Sink) createState() error {
	if err := os.Remove(f.path(newName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Lstat(f.path(stateName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.stateMissing(); err != nil {
		return err
	}
	log, err := createLog(f.path(newName))
	if err != nil {
		return err
	}
	if err := errors.Join(log.commit(extent{}), log.file.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.path(newName), f.path(stateName)); err != nil {
		return err
	}
	return syncDir(f.dir)
}

// stateMissing returns an error where the log is missing although there are events.
func (f *Sink) stateMissing() error {
	if events, err := os.Stat(f.path(eventsName)); err == nil && events.Size() > 0 {
		return fmt.Errorf("%w: %s is missing but %s has %d bytes; restore it from a backup, or move %s away to start again",
			sink.ErrCorrupt, f.path(stateName), f.path(eventsName), events.Size(), eventsName)
	}
	return nil
}

// cutState cuts the torn tail and makes the rest durable: a killed process may have left it in the page cache only.
func (f *Sink) cutState() error {
	file := f.log.file
	if err := file.Truncate(f.end); err != nil {
		return err
	}
	if _, err := file.Seek(f.end, io.SeekStart); err != nil {
		return err
	}
	f.log.offset = f.end
	return errors.Join(f.log.writeTip(), file.Sync(), syncDir(f.dir))
}

// replay passes the committed entries to load and notes which of them are live.
func (f *Sink) replay(ctx context.Context, load func(string, []byte) error) error {
	f.live = newLiveSet()
	return f.eachCommitted(func(key string, value []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		f.live.apply(key, value)
		return load(key, value)
	})
}

// eachCommitted reads the log up to its last commit.
func (f *Sink) eachCommitted(visit func(key string, value []byte) error) error {
	reader, err := newLogReader(f.log.file, f.log.offset)
	if err != nil {
		return err
	}
	for {
		record, err := reader.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s at offset %d: %w", f.path(stateName), reader.offset, err)
		}
		if err := eachEntry(record.entries, visit); err != nil {
			return err
		}
	}
}
