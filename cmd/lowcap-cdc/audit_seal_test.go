package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// TestKeyThatEverybodyCanRead: a key is worth nothing where those who write the sink can sign with it, and that is said.
func TestKeyThatEverybodyCanRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := seal.WriteKeys(path, "trail"); err != nil {
		t.Fatal(err)
	}
	for mode, isOpen := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		c := &auditSealCommand{Key: path, Log: path + ".seals"}
		if _, _, err := c.prepare("", &settings.Streams{Out: io.Discard, Err: &said}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(said.String(), "chmod 600 "+path) != isOpen {
			t.Errorf("mode %v: %q", mode, said.String())
		}
	}
}

// TestPatience: who is to know that nothing is sealed is told once, after three failures, and not before a minute has gone by.
func TestPatience(t *testing.T) {
	for every, want := range map[time.Duration][]bool{
		5 * time.Minute:  {false, false, true, true},
		20 * time.Second: {false, false, false, true},
	} {
		p, begun := patience{every: every}, time.Now()
		for n, isDue := range want {
			if got := p.isAtItsEnd(begun.Add(time.Duration(n) * every)); got != isDue {
				t.Errorf("every %s, failure %d: told %t", every, n+1, got)
			}
		}
		p.isTold = true
		if p.isAtItsEnd(begun.Add(time.Hour)) {
			t.Errorf("every %s: told again", every)
		}
	}
}
