package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	usualBeat  = time.Minute
	beatWithin = 10 * time.Second
	mostBeat   = 4 << 10 // bytes of an answer
)

// wrong says what of the whole way does not live, or nothing: the sidecar, the reading, every route.
func (m *messenger) wrong() string {
	if !m.watch.started.Load() {
		return "starting: not every route has its place yet"
	}
	if age, why := m.watch.age(); age > stalledAfter {
		return fmt.Sprintf("the checkpoint has not moved for %s %s", age.Round(time.Second), why)
	}
	for _, r := range m.routes {
		if f := r.health.failed(); f.lasts(0) {
			return fmt.Sprintf("route %s has not delivered for %s: %s", r.name, time.Since(f.since).Round(time.Second), f.said)
		}
		if f := r.health.stopped(); f.lasts(stalledAfter) { // the group may deal out its partitions anew
			return fmt.Sprintf("route %s has not gone on for %s: %s", r.name, time.Since(f.since).Round(time.Second), f.said)
		}
		if unread := r.health.unread(time.Now()); unread > stalledAfter {
			return fmt.Sprintf("route %s has read nothing for %s", r.name, unread.Round(time.Second))
		}
	}
	return ""
}

// beat asks for the heartbeat's URL now and again, while everything lives. Who watches it misses the next one.
func (m *messenger) beat(ctx context.Context, plan HeartbeatPlan) {
	if plan.URL == "" {
		return
	}
	every := plan.Every
	if every == 0 {
		every = usualBeat
	}
	client := &http.Client{Timeout: beatWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for ; ctx.Err() == nil; sleep(ctx, every) {
		if why := m.wrong(); why != "" {
			m.log.Warn().Str("reason", why).Msg("no heartbeat")
			continue
		}
		if err := ping(ctx, client, plan.URL); err != nil && ctx.Err() == nil {
			m.counts.beats.With("failed").Inc()
			m.log.Warn().Err(err).Msg("the heartbeat does not arrive")
			continue
		}
		m.counts.beats.With("sent").Inc()
	}
}

// ping asks for a URL. Its errors do not name it: it is a secret.
func ping(ctx context.Context, client *http.Client, to string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return errors.New("heartbeat: the URL cannot be used")
	}
	response, err := client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("heartbeat: %w", err)
	}
	defer response.Body.Close()                                  //nolint:errcheck // the status is what counts
	io.Copy(io.Discard, io.LimitReader(response.Body, mostBeat)) //nolint:errcheck // so that the connection can be used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("heartbeat: it answers %s", response.Status)
	}
	return nil
}
