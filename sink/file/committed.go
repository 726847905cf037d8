package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"lowcap-cdc/sink"
)

// logState is what the commits in state.log say of events.jsonl, as far as they have been read or written.
type logState struct {
	end       int64  // where the last commit ends in state.log; 0: there is none
	committed extent // the events of the last commit
	rotated   extent // the last commit before a rotation, until one with events follows the rotation

	begin        int64 // where in state.log the commits of the present events.jsonl begin
	beginRotated int64 // the same of the one before the rotation, as long as rotated is set
	untipped     bool  // the log is of the version that has no tip
}

// readLogState reads the log up to its last commit. A torn record behind that never counted; damage is ErrCorrupt.
func readLogState(ctx context.Context, file *os.File) (log logState, err error) {
	info, err := file.Stat()
	if err != nil {
		return log, err
	}
	reader, err := newLogReader(file, info.Size())
	if err != nil {
		return log, err
	}
	log.begin, log.untipped = reader.offset, reader.untipped
	for {
		record, err := reader.next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, errTorn) || errors.Is(err, errBroken):
			return log, log.checkTail(reader, err)
		case err != nil:
			return log, err
		case ctx.Err() != nil:
			return log, ctx.Err()
		case !record.commit:
			continue
		case !log.continues(record.events):
			return log, fmt.Errorf("%w: a commit in %s begins at byte %d of %s, the one before it ends at %d; restore both "+
				"files from one backup", sink.ErrCorrupt, file.Name(), record.events.start, eventsName, log.committed.end)
		}
		log.advance(reader.offset, record.events)
	}
}

// checkTail decides whether what follows the last whole record may be cut, or is damage. found is how reading ended.
func (s *logState) checkTail(reader *logReader, found error) error {
	name, end := reader.file.Name(), reader.offset
	if s.end < reader.tip {
		return fmt.Errorf("%w: %s was committed up to byte %d, whole are only the first %d; restore both files from a backup",
			sink.ErrCorrupt, name, reader.tip, s.end)
	}
	if s.end == 0 {
		return fmt.Errorf("%w: %s holds no whole commit; restore both files from a backup, or move the directory away "+
			"to start again", sink.ErrCorrupt, name)
	}
	if errors.Is(found, io.EOF) {
		return nil
	}
	at, behind, err := reader.commitAfter(end)
	if err != nil {
		return err
	}
	if behind {
		return fmt.Errorf("%w: the record at offset %d of %s is broken, but the commit at offset %d behind it is whole; "+
			"restore both files from a backup", sink.ErrCorrupt, end, name, at)
	}
	if errors.Is(found, errTorn) {
		return nil
	}
	zeros, err := hasHole(reader.file, end, reader.end)
	if err == nil && !zeros {
		err = fmt.Errorf("%w: the record at offset %d of %s is broken, and does not end early; restore both files from a backup",
			sink.ErrCorrupt, end, name)
	}
	return err
}

// sector is what a disk writes whole or not at all, in bytes.
const sector = 512

// hasHole reports whether part of a file was not written before the power failed: it ends with zeros, or has a sector of
// them.
func hasHole(file *os.File, from, to int64) (bool, error) {
	buffer := make([]byte, sector)
	for at := from; at < to; {
		next := min(to, at-at%sector+sector)
		piece := buffer[:next-at]
		if _, err := file.ReadAt(piece, at); err != nil {
			return false, err
		}
		if len(bytes.Trim(piece, "\x00")) == 0 || (next == to && piece[len(piece)-1] == 0) {
			return true, nil
		}
		at = next
	}
	return false, nil
}

// continues reports whether a commit fits behind the last one. One that is all zero begins a new events.jsonl.
func (s *logState) continues(events extent) bool {
	return s.end == 0 || events == extent{} || events.start == s.committed.end
}

// advance adds the next commit, whose record ends at end.
func (s *logState) advance(end int64, events extent) {
	switch {
	case events == extent{} && s.committed.end > 0:
		s.rotated, s.beginRotated, s.begin = s.committed, s.begin, end
	case events.end > 0:
		s.rotated = extent{}
	}
	s.end, s.committed = end, events
}

// awaitsRename reports whether file, the one named events.jsonl, is still the one from before the rotation: it ends with
// the last commit before it. The log speaks of a rotation before the file gets its other name.
func (s *logState) awaitsRename(file *os.File) (bool, error) {
	if s.rotated.end == 0 {
		return false, nil
	}
	info, err := file.Stat()
	if err != nil || info.Size() != s.rotated.end {
		return false, err
	}
	err = verifyExtent(file, s.rotated)
	return err == nil, ignoreCorrupt(err)
}

// verifyExtent checks that a file holds the events of a commit.
func verifyExtent(file *os.File, last extent) error {
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(file, last.start, last.end-last.start)); err != nil {
		return err
	}
	if sum.Sum32() != last.sum {
		return fmt.Errorf("%w: bytes %d to %d of %s are one commit and have CRC-32C %08x, %08x was committed; "+
			"restore the file from a backup", sink.ErrCorrupt, last.start, last.end, file.Name(), sum.Sum32(), last.sum)
	}
	return nil
}

func ignoreCorrupt(err error) error {
	if errors.Is(err, sink.ErrCorrupt) {
		return nil
	}
	return err
}
