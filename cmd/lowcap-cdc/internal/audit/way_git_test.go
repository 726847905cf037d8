package audit

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
)

// gitHouse is a sealed trail beside a git repository, of a user who has told git nothing.
type gitHouse struct {
	*house
	log  *seal.Log
	at   string // the repository
	said bytes.Buffer
}

func newGitHouse(t *testing.T) *gitHouse {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("EMAIL", "")
	all, _ := recordedLines(t)
	h := &gitHouse{house: newHouse(t, all[:20]), at: filepath.Join(t.TempDir(), "repository")}
	sealed, err := h.seal()
	if err != nil {
		t.Fatal(err)
	}
	h.log = sealed.Log
	h.run("init", "--quiet", h.at)
	h.git("config", "user.useConfigOnly", "true") // as on a host whose name is none
	return h
}

func (h *gitHouse) run(args ...string) string {
	h.t.Helper()
	out, err := exec.Command("git", args...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(out)
}

func (h *gitHouse) git(args ...string) string {
	h.t.Helper()
	return h.run(append([]string{"-C", h.at, "-c", "user.name=somebody", "-c", "user.email=s@example.org"}, args...)...)
}

// deliver takes the seal to a directory.
func (h *gitHouse) deliver(ctx context.Context, dir string) error {
	h.t.Helper()
	h.said.Reset()
	way, err := ParseWay("git:"+dir, h.key.Verifier, io.Discard, &h.said)
	if err != nil {
		h.t.Fatal(err)
	}
	last := h.log.Last()
	note, err := h.log.Note(last)
	if err != nil {
		h.t.Fatal(err)
	}
	return way.Deliver(ctx, h.log, &last.Checkpoint, note)
}

// isCommitted reports whether the newest commit holds the log, and nothing else.
func (h *gitHouse) isCommitted() bool {
	return strings.HasPrefix(h.git("log", "-1", "--format=%s"), "seal ") && h.git("show", "--name-only", "--format=", "HEAD") == "seals.txt\n"
}

// put writes a file into the repository.
func (h *gitHouse) put(name, text string, mode os.FileMode) {
	h.t.Helper()
	path := filepath.Join(h.at, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
}

// TestGitThatStrangersHave: a repository is as its users leave it. A seal is committed, alone, or one line says what keeps it from there.
func TestGitThatStrangersHave(t *testing.T) {
	t.Run("no identity, no upstream", func(t *testing.T) {
		h := newGitHouse(t)
		if err := h.deliver(t.Context(), h.at); err != nil || !h.isCommitted() {
			t.Error(err)
		}
		if !strings.Contains(h.said.String(), "no upstream") {
			t.Errorf("said %q", h.said.String())
		}
	})
	t.Run("ignored, and other changes", func(t *testing.T) {
		h := newGitHouse(t)
		h.put(".gitignore", "*.txt\n", 0o644)
		h.put("other", "x", 0o644)
		h.git("add", "other")
		if err := h.deliver(t.Context(), h.at); err != nil || !h.isCommitted() || !strings.Contains(h.git("status", "--short"), "A  other") {
			t.Errorf("%v: %s", err, h.git("status", "--short"))
		}
	})
	t.Run("locked", func(t *testing.T) {
		h := newGitHouse(t)
		h.put(".git/index.lock", "", 0o644)
		err := h.deliver(t.Context(), h.at)
		if err == nil || !strings.Contains(err.Error(), "index.lock") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v", err)
		}
		if err := os.Remove(filepath.Join(h.at, ".git/index.lock")); err != nil {
			t.Fatal(err)
		}
		if err := h.deliver(t.Context(), h.at); err != nil || !h.isCommitted() {
			t.Error(err)
		}
	})
	t.Run("no repository, and a bare one", func(t *testing.T) {
		h := newGitHouse(t)
		for _, args := range [][]string{nil, {"init", "--quiet", "--bare"}} {
			dir := t.TempDir()
			if args != nil {
				h.run(append(args, dir)...)
			}
			if err := h.deliver(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "no work tree of git; run: git clone") {
				t.Errorf("%v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "seals.txt")); err == nil {
				t.Error("the seal was left there")
			}
		}
	})
}

// TestGitPushes: to an upstream, also where git has forgotten how that looks, and never for longer than a delivery may take.
func TestGitPushes(t *testing.T) {
	h := newGitHouse(t)
	remote := filepath.Join(t.TempDir(), "remote")
	h.run("init", "--quiet", "--bare", remote)
	h.git("remote", "add", "origin", remote)
	h.git("commit", "--quiet", "--allow-empty", "--message", "begin")
	h.git("push", "--quiet", "--set-upstream", "origin", "HEAD")
	h.git("update-ref", "-d", "refs/remotes/origin/"+strings.TrimSpace(h.git("symbolic-ref", "--short", "HEAD")))
	if err := h.deliver(t.Context(), h.at); err != nil || h.said.Len() > 0 {
		t.Errorf("%v, said %q", err, h.said.String())
	}
	if subject := h.run("-C", remote, "log", "-1", "--format=%s", "--all"); !strings.HasPrefix(subject, "seal ") {
		t.Errorf("the remote has %q", subject)
	}
	h.put(".git/hooks/pre-push", "#!/bin/sh\nsleep 60\n", 0o755) // as a server that accepts and says nothing
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	begun := time.Now()
	if err := h.deliver(ctx, h.at); err == nil || !strings.Contains(err.Error(), "did not end in time") || time.Since(begun) > 30*time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
}
