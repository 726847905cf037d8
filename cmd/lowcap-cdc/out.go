package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// replaceFile writes a file beside the one that it takes the place of, so that nobody ever reads half of it. What is there and is no
// plain file, as /dev/stdout or a pipe, is written to.
func replaceFile(path string, mode os.FileMode, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(file), file.Close())
	}
	if of, err := filepath.EvalSymlinks(path); err == nil {
		path = of
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.partial")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(file.Name()) //nolint:errcheck // the first error counts
		}
	}()
	if err := errors.Join(write(file), file.Chmod(mode), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// spares refuses a file for the output that is read as seals or keys: it would be lost.
func (f *sealFlags) spares(out string) error {
	info, err := os.Stat(out)
	if out == "" || err != nil {
		return nil
	}
	for _, path := range append([]string{f.Seals, seal.FrontierPath(f.Seals), f.Pub}, f.Witness...) {
		if read, err := os.Stat(path); path != "" && err == nil && os.SameFile(info, read) {
			return settings.Usage(fmt.Errorf("--out %s would take the place of %s, which is read here; name another file", out, path))
		}
	}
	return nil
}

// longestProof bounds what is looked at of a file, in bytes.
const longestProof = 16 << 20

// sparesOthers refuses a file for a proof that is there and is none: it may be a key, or a log of seals.
func sparesOthers(out string) error {
	if info, err := os.Stat(out); err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil
	}
	file, err := os.Open(out)
	if err != nil {
		return fmt.Errorf("look at --out: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	var proof audit.Proof
	if err := json.NewDecoder(io.LimitReader(file, longestProof)).Decode(&proof); err != nil || proof.Seal == "" {
		return settings.Usage(fmt.Errorf("--out %s is there, and is no proof; name another file, or remove it", out))
	}
	return nil
}
