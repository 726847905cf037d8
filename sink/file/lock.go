package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lowcap-cdc/sink"
)

// ErrLocked says that another running instance owns the directory of a file sink.
var ErrLocked = errors.New("another instance is writing here")

// What a trading bot does is for its user to read, and for the group that is let in.
const (
	fileMode = 0o640
	dirMode  = 0o750
)

// lock locks the sink; the kernel releases it when the process ends, however it ends. It locks the directory itself, which a
// clean-up does not remove, and the file named lock, for the sake of older versions. Where a file
// system cannot lock a directory (NFS) the file alone is the lock.
func (f *Sink) lock() error {
	dir, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	f.locks = append(f.locks, dir)
	err = flock(dir)
	if err != nil && !errors.Is(err, syscall.EBADF) && !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOLCK) {
		return err
	}
	file, err := os.OpenFile(f.path(lockName), os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC|syscall.O_NONBLOCK, fileMode)
	if err != nil {
		return err
	}
	f.locks = append(f.locks, file)
	return flock(file)
}

func flock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("lock %s: %w; stop it (fuser -v %s) or choose another directory", file.Name(), ErrLocked, file.Name())
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return nil
}

// checkNames makes sure that the open files are still those in the directory: what is committed to a file that was moved
// or removed would be gone with the process.
func (f *Sink) checkNames() error {
	for name, file := range map[string]*os.File{eventsName: f.events.file, stateName: f.log.file} {
		if is, err := f.isNamed(name, file); err != nil {
			return err
		} else if !is {
			return fmt.Errorf("%w: %s was removed or replaced while it was written to; put it back, or restore the directory "+
				"from a backup", sink.ErrCorrupt, f.path(name))
		}
	}
	return nil
}

// isNamed reports whether an open file is the one with a name in the directory.
func (f *Sink) isNamed(name string, file *os.File) (bool, error) {
	mine, err := file.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(f.path(name))
	if err != nil {
		return false, ignoreMissing(err)
	}
	return os.SameFile(mine, named), nil
}

// makeDir creates dir and makes its name durable.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, dirMode); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w, and is no directory: a link that leads nowhere; is its disk mounted?", err)
	} else if err != nil {
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
