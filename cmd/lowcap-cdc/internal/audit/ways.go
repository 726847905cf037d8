package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

// ParseWay reads file:PATH, git:DIR, stdout: or the URL of a webhook. warn gets a line about a way that does not lead out of the house.
func ParseWay(text string, by *seal.Verifier, out, warn io.Writer) (Way, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	switch {
	case scheme == "stdout" && rest == "":
		return &printed{out: out}, nil
	case scheme == "file" && rest != "":
		return &copied{rest, by}, nil
	case scheme == "git" && rest != "":
		w := &committed{rest, by}
		w.warn(warn)
		return w, nil
	}
	if u, err := url.Parse(text); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		// What follows the scheme may be the secret.
		return nil, fmt.Errorf("--to %q is none of file:PATH, git:DIR, stdout:, notify:ROUTE, https://HOST/PATH", scheme+":…")
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
		return fmt.Errorf("the receiver answers %.100s", response.Status)
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
