package file

import (
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
}

// continues reports whether a commit fits behind the last one. One that is all zero begins a new events.jsonl.
func (s *logState) continues(events extent) bool {
	return s.end == 0 || events == extent{} || events.start == s.committed.end
}

// advance adds the next commit, whose record ends at end.
func (s *logState) advance(end int64, events extent) {
	switch {
	case events == extent{} && s.committed.end > 0:
		s.rotated = s.committed
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
		return fmt.Errorf("%w: bytes %d to %d of %s, the last commit, have CRC-32C %08x, %08x was committed; "+
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
