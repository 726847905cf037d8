// Package notify delivers events to whoever is to be woken.
package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

// Options say what is delivered, where, and how.
type Options struct {
	To       string   `help:"Where to post: Alertmanager's address, or the webhook's URL." required:"" placeholder:"URL"`
	As       string   `help:"What to post: alertmanager (v2 API), webhook (the CloudEvent), slack (JSON with a text)." enum:"alertmanager,webhook,slack" default:"webhook"`
	Severity string   `help:"Only events at least this severe: page, warn or info." enum:"page,warn,info" default:"warn"`
	Type     []string `help:"Only these types, e.g. emergency_exit.* or stream.gap." placeholder:"GLOB"`
	Group    string   `help:"The consumer group, whose offsets say what has been delivered; one for each --to." default:"lowcap-cdc-notify"`
	Secret   string   `help:"Sign each webhook with this key (HMAC-SHA-256). Better by environment." placeholder:"SECRET"`
}

const (
	postWithin    = 10 * time.Second
	shortestPause = 250 * time.Millisecond
	longestPause  = 30 * time.Second
)

// Check reports what is wrong with the options before anything is connected.
func (c *Options) Check() error {
	if u, err := url.Parse(c.To); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return settings.Usage(errors.New("--to is not a URL like https://host/path"))
	}
	_, err := c.topics()
	return err
}

// Run delivers events until ctx ends.
func Run(ctx context.Context, reader sink.Reader, c *Options, log zerolog.Logger) error {
	topics, err := c.topics()
	if err != nil {
		return err
	}
	k, ok := reader.(*kafka.Sink)
	if !ok {
		return settings.Usage(errors.New("notify needs a consumer group, which only Kafka has; set --sink kafka://HOST:PORT"))
	}
	n := &notifier{options: c, log: log, client: &http.Client{Timeout: postWithin}, delivered: newRecent(10000)}
	n.log.Info().Strs("topics", topics).Str("as", c.As).Msg("notifying")
	return k.Consume(ctx, c.Group, topics, kafka.Member{Deliver: n.deliver, Assigned: func(partitions int) {
		n.log.Info().Str("group", c.Group).Int("partitions", partitions).Msg("partitions assigned")
	}})
}

// topics returns the topics that can hold what is asked for.
func (c *Options) topics() ([]string, error) {
	wanted, err := settings.TopicsOf(c.Type)
	if err != nil {
		return nil, err
	}
	var topics []string
	for _, k := range schemas.Kinds() {
		if c.wants(k.Type, k.Severity) && !slices.Contains(topics, k.Topic) && (wanted == nil || slices.Contains(wanted, k.Topic)) {
			topics = append(topics, k.Topic)
		}
	}
	if len(topics) == 0 {
		return nil, settings.Usage(fmt.Errorf("no type of %v is as severe as %s; lower --severity", c.Type, c.Severity))
	}
	return topics, nil
}

// wants reports whether an event is to be delivered.
func (c *Options) wants(t schemas.Type, s schemas.Severity) bool {
	rank := map[schemas.Severity]int{schemas.Info: 1, schemas.Warn: 2, schemas.Page: 3}
	return rank[s] >= rank[schemas.Severity(c.Severity)] && settings.MatchesAny(c.Type, t)
}

// notifier delivers events.
type notifier struct {
	options   *Options
	log       zerolog.Logger
	client    *http.Client
	delivered *recent
}

// errRefused says that the receiver will never take this one event.
var errRefused = errors.New("the receiver refuses the event")

// deliver posts one event until the receiver has it. It gives up on an event that the receiver refuses as such, because
// the page behind it must not wait for ever; everything else is tried again, with back-off, until ctx ends. A request on
// its way is waited for even then, or the next start would send it again.
func (n *notifier) deliver(ctx context.Context, e *sink.Stored) error {
	a := e.Attributes()
	if !n.options.wants(a.Type, a.Severity) || n.delivered.has(a.ID) {
		return nil
	}
	for wait := shortestPause; ; wait = min(2*wait, longestPause) {
		err := n.post(context.WithoutCancel(ctx), e, &a)
		switch {
		case err == nil:
			n.delivered.add(a.ID)
			n.log.Debug().Str("id", a.ID).Msg("delivered")
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errRefused):
			n.log.Error().Err(err).Str("id", a.ID).Str("type", string(a.Type)).Msg("not delivered")
			return nil
		}
		n.log.Warn().Err(err).Str("id", a.ID).Stringer("retry_in", wait).Msg("delivery failed; trying again")
		sleep(ctx, wait/2+rand.N(wait/2))
	}
}

func (n *notifier) post(ctx context.Context, e *sink.Stored, a *schemas.Attributes) error {
	request, err := n.options.request(ctx, e, a)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	response, err := n.client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL, which may be the secret
		}
		return fmt.Errorf("post event: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // the status is what counts
	switch code := response.StatusCode; {
	case code/100 == 2:
		return nil
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: it answers %s", errRefused, response.Status)
	}
	return fmt.Errorf("post event: the receiver answers %s", response.Status)
}

// recent remembers the last ids, to leave out what a rebalance brings again.
type recent struct {
	known map[string]bool
	ring  []string
	next  int
}

func newRecent(n int) *recent {
	return &recent{known: make(map[string]bool, n), ring: make([]string, n)}
}

func (r *recent) has(id string) bool { return r.known[id] }

func (r *recent) add(id string) {
	delete(r.known, r.ring[r.next])
	r.ring[r.next], r.known[id] = id, true
	r.next = (r.next + 1) % len(r.ring)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
