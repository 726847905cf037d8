package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
)

// Way takes seals out of the house: to a place that those who write the sink cannot write to.
type Way interface {
	// Check is ErrRefused when what the way has kept is not what the log begins with: one of the two was rolled back, or forked.
	Check(log *seal.Log) error
	// Deliver takes every seal of a log, of which the newest is c, to where it goes. It may be called again with the same one.
	Deliver(ctx context.Context, log *seal.Log, c *seal.Checkpoint, note []byte) error
	String() string
}

// wayTimeout bounds a delivery.
const wayTimeout = 30 * time.Second

// ParseWay reads file:PATH, git:DIR, stdout: or the URL of a webhook.
func ParseWay(text string, by *seal.Verifier, out io.Writer) (Way, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	switch {
	case scheme == "stdout" && rest == "":
		return &printed{out: out}, nil
	case scheme == "file" && rest != "":
		return &copied{rest, by}, nil
	case scheme == "git" && rest != "":
		return &committed{rest, by}, nil
	}
	if u, err := url.Parse(text); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("--to %q is none of file:PATH, git:DIR, stdout:, https://HOST/PATH", text)
	}
	// Behind a redirect a POST becomes a GET, which delivers nothing.
	client := &http.Client{Timeout: wayTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &posted{url: text, client: client}, nil
}

// forgets is part of a way that keeps nothing.
type forgets struct{}

func (forgets) Check(*seal.Log) error { return nil }

// printed writes each seal once, with the empty line after it.
type printed struct {
	forgets
	out  io.Writer
	last uint64
}

func (p *printed) Deliver(_ context.Context, _ *seal.Log, c *seal.Checkpoint, note []byte) error {
	if p.last == c.Size {
		return nil
	}
	_, err := fmt.Fprintf(p.out, "%s\n", note)
	p.last = c.Size
	return err
}

func (p *printed) String() string { return "stdout:" }

// copied keeps a second log. It adds what the copy lacks.
type copied struct {
	path string
	by   *seal.Verifier
}

// lacks returns the copy, and the seals that it does not have yet.
func (w *copied) lacks(log *seal.Log) (to *seal.Log, fresh []seal.Seal, err error) {
	if to, err = seal.ReadLog(w.path, w.by); err != nil {
		return nil, nil, err
	}
	if fresh, err = log.After(to); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return to, fresh, nil
}

func (w *copied) Check(log *seal.Log) error {
	_, _, err := w.lacks(log)
	return err
}

func (w *copied) Deliver(_ context.Context, log *seal.Log, _ *seal.Checkpoint, _ []byte) error {
	to, fresh, err := w.lacks(log)
	if err != nil {
		return err
	}
	for i := range fresh {
		s := &fresh[i]
		note, err := log.Note(s)
		if err != nil {
			return err
		}
		if err := to.AppendNote(&s.Checkpoint, note); err != nil {
			return err
		}
	}
	return nil
}

func (w *copied) String() string { return "file:" + w.path }

// committed keeps a second log in a git repository, commits it, and pushes where the branch has an upstream.
type committed struct {
	dir string
	by  *seal.Verifier
}

func (w *committed) copy(log *seal.Log) *copied {
	return &copied{filepath.Join(w.dir, filepath.Base(log.Path())), w.by}
}

func (w *committed) Check(log *seal.Log) error { return w.copy(log).Check(log) }

func (w *committed) Deliver(ctx context.Context, log *seal.Log, c *seal.Checkpoint, note []byte) error {
	name := filepath.Base(log.Path())
	if err := w.copy(log).Deliver(ctx, log, c, note); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wayTimeout)
	defer cancel()
	if err := w.git(ctx, "add", "--", name); err != nil {
		return err
	}
	if w.git(ctx, "diff", "--cached", "--quiet", "--", name) != nil {
		if err := w.git(ctx, "commit", "--quiet", "--message", "seal "+c.Short(), "--", name); err != nil {
			return err
		}
	}
	if w.git(ctx, "rev-parse", "--quiet", "--verify", "@{upstream}") != nil {
		return nil // nowhere to push to
	}
	return w.git(ctx, "push", "--quiet")
}

// git runs git in the repository; it never asks for a password.
func (w *committed) git(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, "git", append([]string{"-C", w.dir}, args...)...)
	command.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(out[:min(len(out), 1000)]))
	}
	return nil
}

func (w *committed) String() string { return "git:" + w.dir }

// posted sends each seal to a webhook.
type posted struct {
	forgets
	url    string
	client *http.Client
}

func (w *posted) Deliver(ctx context.Context, _ *seal.Log, c *seal.Checkpoint, note []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(note))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	request.Header.Set("Idempotency-Key", c.Short())
	response, err := w.client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL, which may be the secret
		}
		return err
	}
	defer response.Body.Close() //nolint:errcheck // the status is what counts
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answers %s", response.Status)
	}
	return nil
}

// String leaves out the path, which may be the secret.
func (w *posted) String() string {
	u, err := url.Parse(w.url)
	if err != nil {
		return "webhook"
	}
	return u.Scheme + "://" + u.Host
}
