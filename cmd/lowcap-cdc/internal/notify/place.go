package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// place is how far a lane has come in a file sink.
type place struct {
	Sequence string `json:"sequence"`          // of the last event that is handled
	Number   uint64 `json:"number"`            // of that event
	Sending  string `json:"sending,omitempty"` // id of the event that was on its way when this was written
}

// places are the files that hold the lanes' places, in one directory that one process has at a time.
type places struct {
	dir  string
	lock *os.File
}

// take makes the directory where it is not there yet, and takes it. An error means that another process has it.
func (p *places) take() error {
	if err := os.MkdirAll(p.dir, 0o750); err != nil {
		return fmt.Errorf("open --state: %w", err)
	}
	lock, err := os.Open(p.dir) // the directory itself is locked: no file in it can be removed to get around that
	if err != nil {
		return fmt.Errorf("open --state: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err = fmt.Errorf("open --state %s: another notify uses it (%w); stop that one, or name another directory", p.dir, err)
		return errors.Join(err, lock.Close())
	}
	p.lock = lock
	return nil
}

func (p *places) close() error { return p.lock.Close() }

func (p *places) path(name string) string { return filepath.Join(p.dir, name+".json") }

// read returns the place of a lane, and whether the lane has none yet. A file that cannot be read is an error: to begin at
// now would pass over events in silence.
func (p *places) read(name string) (at *place, isNew bool, err error) {
	content, err := os.ReadFile(p.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return &place{}, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read place of %s: %w", name, err)
	}
	at = &place{}
	if err := json.Unmarshal(content, at); err != nil || (at.Sequence == "" && at.Number > 0) {
		return nil, false, fmt.Errorf("read place of %s: %s is damaged; remove it to begin at now (or with --from), "+
			"and look at lowcap-cdc tail --since for what came meanwhile",
			name, p.path(name))
	}
	return at, false, nil
}

// write makes a place durable: the whole of it or nothing, also when the power fails.
func (p *places) write(name string, at *place) error {
	content, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("write place of %s: %w", name, err)
	}
	if err := p.replace(p.path(name), append(content, '\n')); err != nil {
		return fmt.Errorf("write place of %s: %w", name, err)
	}
	return nil
}

func (p *places) replace(path string, content []byte) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return p.lock.Sync() // the directory
}
