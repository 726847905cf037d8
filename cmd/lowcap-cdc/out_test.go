package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// TestOutputThatWouldDestroy: a name that was mixed up must not cost the seals, or a key.
func TestOutputThatWouldDestroy(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"seals", "seals.frontier", "pub", "witness", "key"} {
		if err := os.WriteFile(at(name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("seals", at("link")); err != nil {
		t.Fatal(err)
	}
	flags := &sealFlags{Seals: at("seals"), Pub: at("pub"), Witness: []string{at("witness")}}
	for _, name := range []string{"seals", "seals.frontier", "pub", "witness", "link"} {
		if err := flags.spares(at(name)); settings.ExitCode(err) != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := sparesOthers(at("key")); settings.ExitCode(err) != 2 {
		t.Errorf("a key: %v", err)
	}
	for _, name := range []string{"new", "proof", "proof"} {
		if err := cmp.Or(flags.spares(at(name)), sparesOthers(at(name)), replaceFile(at(name), 0o644, (&audit.Proof{Seal: "a note"}).Write)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReplaceFile: what is no plain file is written to, and a link stays one.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	pipe, target, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := cmp.Or(syscall.Mkfifo(pipe, 0o600), os.WriteFile(target, nil, 0o600), os.Symlink("target", link)); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close() //nolint:errcheck // it was only read
	for _, path := range []string{pipe, link} {
		if err := replaceFile(path, 0o644, func(out io.Writer) error { _, err := fmt.Fprint(out, "text"); return err }); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v, %v", info, err)
	}
	var got [4]byte
	if _, err := io.ReadFull(reader, got[:]); err != nil || string(got[:]) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
}
