package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
)

// committed keeps a second log in a git repository, commits it, and pushes where the branch has an upstream.
type committed struct {
	dir string
	by  *seal.Verifier
}

func (w *committed) copy(log *seal.Log) *copied {
	return &copied{filepath.Join(w.dir, filepath.Base(log.Path())), w.by}
}

// warn says when seals would stay on this machine. A repository that is not there may come.
func (w *committed) warn(to io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), wayTimeout)
	defer cancel()
	if _, err := w.git(ctx, "rev-parse", "--is-inside-work-tree"); err == nil && !w.isPushed(ctx) {
		fmt.Fprintf(to, "warning: the branch of %s has no upstream, so its seals stay on this machine; run: git -C %s push --set-upstream origin HEAD\n",
			w, w.dir)
	}
}

func (w *committed) Check(log *seal.Log) error { return w.copy(log).Check(log) }

func (w *committed) Deliver(ctx context.Context, log *seal.Log, c *seal.Checkpoint, note []byte) error {
	ctx, cancel := context.WithTimeout(ctx, wayTimeout)
	defer cancel()
	if inside, err := w.git(ctx, "rev-parse", "--is-inside-work-tree"); err != nil || inside != "true" {
		return errors.Join(err, fmt.Errorf("%s is no work tree of git; run: git clone URL %s", w.dir, w.dir))
	}
	if err := w.copy(log).Deliver(ctx, log, c, note); err != nil {
		return err
	}
	if err := w.commit(ctx, filepath.Base(log.Path()), "seal "+c.Short()); err != nil || !w.isPushed(ctx) {
		return err
	}
	_, err := w.git(ctx, "push", "--quiet")
	return err
}

// commit commits a file alone, whatever else was changed in the repository, unless it was committed before.
func (w *committed) commit(ctx context.Context, name, message string) error {
	if _, err := w.git(ctx, "add", "--force", "--", name); err != nil {
		return err
	}
	if _, err := w.git(ctx, "diff", "--cached", "--quiet", "--", name); err == nil {
		return nil
	}
	args := []string{"commit", "--quiet", "--message", message, "--", name}
	if _, err := w.git(ctx, "var", "GIT_COMMITTER_IDENT"); err != nil { // a service has no name of its own
		args = append([]string{"-c", "user.name=" + w.by.Name(), "-c", "user.email=lowcap-cdc@localhost"}, args...)
	}
	_, err := w.git(ctx, args...)
	return err
}

// isPushed reports whether the branch has an upstream, also one that is not there yet or any more.
func (w *committed) isPushed(ctx context.Context) bool {
	branch, err := w.git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD")
	if err != nil {
		return false
	}
	_, err = w.git(ctx, "config", "--get", "branch."+branch+".remote")
	return err == nil
}

// git runs git in the repository and returns what it prints. It never asks for a password, and whatever it has started ends with it.
func (w *committed) git(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", append([]string{"-C", w.dir}, args...)...)
	command.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) } // by which git takes its locks away
	command.WaitDelay = 2 * time.Second
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	err := command.Run()
	switch {
	case err == nil:
		return strings.TrimSpace(out.String()), nil
	case ctx.Err() != nil:
		syscall.Kill(-command.Process.Pid, syscall.SIGKILL) //nolint:errcheck // what is left of it
		return "", fmt.Errorf("git %s: it did not end in time: %w", args[0], ctx.Err())
	}
	return "", fmt.Errorf("git %s: %w: %s", args[0], err, gist(said.String()))
}

// gist returns the line of git's words that says what is wrong.
func gist(words string) string {
	first := ""
	for line := range strings.Lines(words) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "fatal: ") || strings.HasPrefix(line, "error: ") {
			first = line
			break
		}
		if first == "" {
			first = line
		}
	}
	return first[:min(len(first), 300)]
}

func (w *committed) String() string { return "git:" + w.dir }
