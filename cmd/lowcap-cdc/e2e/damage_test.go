package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamagedFile damages the files of a sink. Every verb says so with the same exit code; those that read print what is there
// all the same, and a run appends nothing.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.live()
	whole, _ := s.file("x")
	s.drain("k", whole)
	s.liveOn()
	s.drain("k", whole)
	key := filepath.Join(t.TempDir(), "key")
	s.ok(whole, "audit", "keygen", "--out", key)
	events := strings.Count(s.ok(whole, "tail", "--json"), "\n")
	line := func(text []byte, n int) int { return len(bytes.Join(bytes.SplitAfter(text, []byte("\n"))[:n], nil)) }
	for name, c := range map[string]struct {
		file   string
		damage func([]byte) []byte
		events int
	}{
		"a foreign line": {"events.jsonl", func(b []byte) []byte {
			return append(append(bytes.Clone(b[:line(b, 3)]), "\x1b[31mhello\n"...), b[line(b, 3):]...)
		}, events},
		"an overwritten event": {"events.jsonl", func(b []byte) []byte {
			return append(append(bytes.Clone(b[:line(b, 3)]), bytes.Repeat([]byte("x"), line(b, 4)-line(b, 3)-1)...), b[line(b, 4)-1:]...)
		}, events - 1},
		"a lost end":   {"events.jsonl", func(b []byte) []byte { return b[:len(b)-1] }, events - 1},
		"a broken log": {"state.log", func(b []byte) []byte { b[len(b)/2] ^= 4; return b }, events},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "sink")
			if err := os.CopyFS(dir, os.DirFS(strings.TrimPrefix(whole, "file:"))); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, c.file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := c.damage(text)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"tail", "--json"}, {"tail", "-n", "1000", "--json"}, {"audit", contract}, {"audit", "verify"},
				{"audit", "at", "5"}, {"status"}, {"check"}, {"replay", "--into", "file:" + filepath.Join(t.TempDir(), "copy")},
				{"audit", "seal", "--key", key, "--log", filepath.Join(t.TempDir(), "seals")}, {"run", "--until", "now"}} {
				out, code := s.verb("file:"+dir, args[0], args[1:]...)
				if code != 3 || !strings.Contains(out, "damage") || strings.Contains(out, "\x1b") {
					t.Errorf("%v: exit %d, want 3: %q", args, code, out)
				}
				if args[0] == "tail" {
					if got := strings.Count(out, `{"specversion"`); got != c.events {
						t.Errorf("%v: %d events, want %d: %s", args, got, c.events, out)
					}
				}
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, damaged) {
				t.Errorf("%s was changed: %v", path, err)
			}
		})
	}
}
