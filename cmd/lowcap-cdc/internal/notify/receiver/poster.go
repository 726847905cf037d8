package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
)

const (
	attemptWithin = 10 * time.Second // a whole attempt
	bodyWithin    = 2 * time.Second  // an answer's body, after its status
	mostAnswer    = 64 << 10         // bytes of an answer that are read
	longestDetail = 200              // bytes of an answer that are told
)

// post is one request of a receiver that speaks HTTP.
type post struct {
	url    string
	kind   string // Content-Type
	body   []byte
	header map[string]string
}

// format makes requests of messages. plain asks for the shortest form.
type format interface {
	post(m *Message, plain bool, now time.Time) (post, error)
	// isIdempotent reports whether the receiver knows a second copy of a message by its reference.
	isIdempotent() bool
}

// poster sends what a format makes.
type poster struct {
	format
	client  *http.Client
	isAPI   bool     // a page of HTML is not from the receiver
	secrets []string // that must not be told
}

// newClient returns a client that follows no redirect: what answers there is another receiver than the one that was set.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = mostAnswer
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// IsIdempotent implements Receiver.
func (p *poster) IsIdempotent() bool { return p.isIdempotent() }

// Send implements Receiver.
func (p *poster) Send(ctx context.Context, m *Message, plain bool) Answer {
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	made, err := p.post(m, plain, time.Now())
	if err != nil {
		return Answer{Kind: Refused, Detail: p.tell(err.Error())}
	}
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, made.url, bytes.NewReader(made.body))
	if err != nil {
		return Answer{Kind: Misset, Detail: "the URL cannot be used"} // err has it, and it may be a secret
	}
	request.Header.Set("Content-Type", made.kind)
	request.Header.Set("User-Agent", "lowcap-cdc")
	for name, value := range made.header {
		request.Header.Set(name, value)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return p.broken(err, request.URL.Scheme, wrote.Load())
	}
	defer response.Body.Close() //nolint:errcheck // it is read as far as it counts
	defer time.AfterFunc(bodyWithin, cancel).Stop()
	body, _ := io.ReadAll(io.LimitReader(response.Body, mostAnswer)) //nolint:errcheck // the status is what counts
	return p.judge(response, body)
}

// broken is the answer to an attempt that got none.
func (p *poster) broken(err error, scheme string, wrote bool) Answer {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // without the URL, which may be the secret
	}
	text := err.Error()
	if scheme == "http" && strings.Contains(text, `malformed HTTP response "\x15`) {
		return Answer{Kind: Misset, Detail: "the receiver speaks TLS; write https://"}
	}
	if strings.Contains(text, "server gave HTTP response to HTTPS client") {
		return Answer{Kind: Misset, Detail: "the receiver does not speak TLS; write http://"}
	}
	return Answer{Kind: Failed, Detail: p.tell(text), Arrived: wrote}
}

// judge says what a status means, and the body where the status alone does not say it.
func (p *poster) judge(response *http.Response, body []byte) Answer {
	code := response.StatusCode
	text := strings.TrimSpace(strings.TrimPrefix(string(body), "\uFEFF"))
	if said := gjson.GetBytes(body, "ok"); p.isAPI && code/100 == 2 && said.Type == gjson.False {
		code = int(gjson.GetBytes(body, "error_code").Int()) // Telegram repeats the status there
	}
	a := Answer{Kind: kindOf(code), Detail: p.tell(fmt.Sprintf("%d %s", code, text))}
	switch {
	case a.Kind == Delivered && p.isAPI && strings.HasPrefix(text, "<"):
		return Answer{Kind: Misset, Detail: "a web page answers, not the receiver; is the URL right, and no proxy between?"}
	case a.Kind == Delivered:
		return Answer{Kind: Delivered}
	case code/100 == 3:
		a.Detail = fmt.Sprintf("%d: the receiver redirects to %s, which is not followed; set the URL that answers itself", code, where(response))
	case code == http.StatusBadRequest && response.Request.URL.Scheme == "http" && mentionsTLS(text):
		a.Kind, a.Detail = Misset, a.Detail+"; the receiver speaks TLS; write https://"
	case a.Kind == Wait || code == http.StatusServiceUnavailable:
		a.After = min(waitOf(response.Header, body), longestWait)
		if a.After > 0 {
			a.Kind = Wait
		}
	}
	a.Arrived = code/100 == 5
	return a
}

// kindOf says what a status means to every receiver.
func kindOf(code int) Kind {
	switch {
	case code/100 == 2:
		return Delivered
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return Refused
	case code == http.StatusTooManyRequests:
		return Wait
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusConflict, code/100 == 5, code < 300:
		return Failed
	}
	return Misset
}

func mentionsTLS(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "https") || strings.Contains(text, "ssl") || strings.Contains(text, "tls")
}

// where names the host that a redirect leads to; its path may hold the secret.
func where(response *http.Response) string {
	to, err := response.Location()
	if err != nil {
		return "nowhere"
	}
	return to.Scheme + "://" + to.Host
}

// waitOf reads how long to wait: Retry-After in seconds or as a time, or retry_after in seconds in the body, where
// Telegram (in parameters) and Discord put it.
func waitOf(header http.Header, body []byte) time.Duration {
	said := header.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(said, 64); err == nil && !math.IsNaN(seconds) {
		return inSeconds(seconds)
	}
	if at, err := http.ParseTime(said); err == nil {
		return max(0, time.Until(at))
	}
	for _, path := range []string{"parameters.retry_after", "retry_after"} {
		if v := gjson.GetBytes(body, path); v.Type == gjson.Number {
			return inSeconds(v.Num)
		}
	}
	return 0
}

func inSeconds(n float64) time.Duration {
	return time.Duration(max(0, min(n, longestWait.Seconds())) * float64(time.Second))
}

// tell makes a stranger's text fit to be logged and sent: short, printable, without secrets.
func (p *poster) tell(text string) string { return tell(text, p.secrets) }

func tell(text string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) > 3 {
			text = strings.ReplaceAll(text, secret, "(secret)")
		}
	}
	return readable.Printable(readable.Cut(text, longestDetail))
}
