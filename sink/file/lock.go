package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrLocked says that another running instance owns the directory of a File sink.
var ErrLocked = errors.New("another instance is writing here")

// lockFile takes the lock at path, which the kernel gives back when the process ends, however it ends.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, nil
	}
	_ = file.Close() // nothing was written; the error that counts is the lock's
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("lock %s: %w; stop it (fuser -v %s) or choose another directory", path, ErrLocked, path)
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// makeDir creates dir and makes its name durable.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// advise adds to an error of the file system what the operator can do about it.
func (f *Sink) advise(err error) error {
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.ENOSPC, syscall.EDQUOT):
		return fmt.Errorf("%w; make room (df -h %s) and start again, nothing committed is lost", err, f.dir)
	case is(syscall.EFBIG):
		return fmt.Errorf("%w; raise the file size limit (ulimit -f) and start again, nothing committed is lost", err)
	case is(syscall.EACCES, syscall.EPERM, syscall.EROFS):
		return fmt.Errorf("%w; give this user write access (ls -la %s) and start again", err, f.dir)
	case is(syscall.ENOTDIR):
		return fmt.Errorf("%w; choose a directory, not a file, in --sink file:DIR", err)
	case is(syscall.EIO):
		return fmt.Errorf("%w; check the disk (dmesg | tail) before starting again", err)
	}
	return err
}
