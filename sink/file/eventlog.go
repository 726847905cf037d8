package file

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"syscall"

	"lowcap-cdc/sink"
)

// extent is the part of events.jsonl that one commit wrote, and its CRC-32C.
type extent struct {
	start, end int64
	sum        uint32
}

// eventLog appends to events.jsonl.
type eventLog struct {
	file *os.File
	out  *bufio.Writer
	cut  int64 // bytes that stood behind the last commit when it was opened
	extent
}

// openEvents opens events.jsonl, cuts what lies beyond the last commit and checks the last commit's bytes.
func openEvents(path string, last extent) (*eventLog, error) {
	flags := os.O_RDWR | syscall.O_NONBLOCK
	if last.end == 0 {
		flags |= os.O_CREATE
	}
	file, err := os.OpenFile(path, flags, fileMode)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, tooShort(path, 0, last.end)
	}
	if err != nil {
		return nil, err
	}
	if err := isPlain(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	log := &eventLog{file: file, out: bufio.NewWriterSize(file, 1<<18)}
	if err := log.recover(path, last); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	log.begin(last.end)
	return log, nil
}

func tooShort(path string, size, committed int64) error {
	return fmt.Errorf("%w: %s has %d bytes, %d are committed; restore it from a backup that has them",
		sink.ErrCorrupt, path, size, committed)
}

func (l *eventLog) recover(path string, last extent) error {
	size, err := l.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size < last.end {
		return tooShort(path, size, last.end)
	}
	if err := verifyExtent(l.file, last); err != nil {
		return err
	}
	l.cut = size - last.end
	if err := l.file.Truncate(last.end); err != nil {
		return err
	}
	if _, err := l.file.Seek(last.end, io.SeekStart); err != nil {
		return err
	}
	// A killed process may have left the last commit in the page cache only.
	return l.file.Sync()
}

// begin starts the next commit's extent.
func (l *eventLog) begin(at int64) { l.extent = extent{start: at, end: at} }

// append writes one line.
func (l *eventLog) append(value []byte) error {
	if _, err := l.out.Write(value); err != nil {
		return err
	}
	if err := l.out.WriteByte('\n'); err != nil {
		return err
	}
	l.sum = crc32.Update(crc32.Update(l.sum, castagnoli, value), castagnoli, []byte{'\n'})
	l.end += int64(len(value)) + 1
	return nil
}

// sync makes the appended lines durable.
func (l *eventLog) sync() error {
	if err := l.out.Flush(); err != nil {
		return err
	}
	return l.file.Sync()
}
