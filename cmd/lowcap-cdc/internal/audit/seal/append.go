package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Lock keeps a second process from writing to a log, until the file is closed.
func Lock(path string) (io.Closer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0o644) // or a pipe would wait for its other end
	if err != nil {
		return nil, fmt.Errorf("lock seals: %w", err)
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, file.Close(), fmt.Errorf("lock seals: %w: %s is no plain file; name another --log", ErrLog, path))
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w; does another audit seal write to it? (fuser -v %s)", path, err, path), file.Close())
	}
	return file, nil
}

// Append makes a seal durable, with its frontier. The frontier comes first: one without a seal does no harm.
func (l *Log) Append(c *Checkpoint, signed []byte, f *Frontier) error {
	if err := l.AppendFrontier(f); err != nil {
		return err
	}
	return l.AppendNote(c, signed)
}

// AppendFrontier makes the frontier of a seal durable that is still to be appended.
func (l *Log) AppendFrontier(f *Frontier) error {
	if err := appendDurably(FrontierPath(l.path), -1, f.String()+"\n"); err != nil {
		return fmt.Errorf("write frontier: %w", err)
	}
	return nil
}

// AppendNote makes a seal durable without a frontier.
func (l *Log) AppendNote(c *Checkpoint, signed []byte) error {
	if err := appendDurably(l.path, l.end, string(signed)+"\n"); err != nil {
		return fmt.Errorf("write seal: %w", err)
	}
	l.Seals = append(l.Seals, Seal{Checkpoint: *c, offset: l.end, length: len(signed)})
	l.end, l.Torn = l.end+int64(len(signed))+1, 0
	return nil
}

// appendDurably writes a text behind the first end bytes of a file, or, with a negative end, behind its last whole line.
func appendDurably(path string, end int64, text string) error {
	_, missing := os.Stat(path)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if end < 0 {
		if end, err = lastLineEnd(file); end < 0 {
			end, text = -end, "\n"+text
		}
	}
	if err == nil {
		err = file.Truncate(end)
	}
	if err == nil {
		_, err = file.WriteAt([]byte(text), end)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil && missing != nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

// lastLineEnd returns the place behind a file's last line feed, looking at no more than the longest line. What has none there is no
// line that was torn, and stays: then it is the file's size, with a minus.
func lastLineEnd(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	from := max(0, info.Size()-longestLine)
	tail := make([]byte, info.Size()-from)
	if _, err := file.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	last := bytes.LastIndexByte(tail, '\n')
	if last < 0 && from > 0 {
		return -info.Size(), nil
	}
	return from + int64(last+1), nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
