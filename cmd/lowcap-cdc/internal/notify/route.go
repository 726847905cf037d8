// Package notify delivers events to whoever is to be woken. Each route has a receiver, places of its own and a back-off of
// its own, so that none waits for another:
//
//	for round := range of the lane's place {
//		for each event that the route wants {
//			until the receiver has it { attempt; wait }
//			the place moves on
//		}
//	}
//
// What the receiver refuses is sent again as a short text, then to the route's fallback; else the route stands, and says
// so. Nothing is passed over.
package notify

import (
	"context"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

const (
	shortestPause = 250 * time.Millisecond
	longestPause  = 30 * time.Second
)

// noSeverity is the severity of a route that is only another's fallback.
const noSeverity = "none"

// route is one receiver, and what it is told.
type route struct {
	name     string
	kind     string // of the receiver
	receiver receiver.Receiver
	fallback *route
	severity schemas.Severity
	types    []string // globs
	tokens   []string
	digest   time.Duration
	page     string // URL
	log      zerolog.Logger
	health   *health
	counts   *counts
}

// rank orders severities; one that nobody knows, of a later contract, is at least a warning.
func rank(s schemas.Severity) int {
	switch s {
	case "", noSeverity:
		return 0
	case schemas.Info:
		return 1
	case schemas.Page:
		return 3
	}
	return 2
}

// wants reports whether an event is for this route.
func (r *route) wants(e *sink.Stored, a *schemas.Attributes) bool {
	if r.severity == noSeverity || rank(a.Severity) < rank(r.severity) || a.ID == "" {
		return false
	}
	return matchesType(r.types, a.Type) && r.isToken(e)
}

func matchesType(globs []string, t schemas.Type) bool {
	for _, glob := range globs {
		name, _ := path.Match(glob, t.Name()) //nolint:errcheck // checked with the settings
		whole, _ := path.Match(glob, string(t))
		if name || whole {
			return true
		}
	}
	return len(globs) == 0
}

// isToken reports whether an event is about one of the route's tokens. What is about no token, like a gap, is about all.
func (r *route) isToken(e *sink.Stored) bool {
	if len(r.tokens) == 0 || !strings.Contains(string(e.Key), "/") {
		return true
	}
	for _, token := range r.tokens {
		if readable.IsToken(token, e) {
			return true
		}
	}
	return false
}

// deliver sends a message until the receiver, or the fallback, has it. It gives up only when ctx ends; a request on its
// way is waited for even then, or the next start would send it again.
func (r *route) deliver(ctx context.Context, m *receiver.Message) error {
	defer r.forget(m)
	for wait := shortestPause; ; wait = min(2*wait, longestPause) {
		answer := r.attempt(context.WithoutCancel(ctx), m)
		r.health.note(m, answer)
		if answer.Kind == receiver.Delivered {
			r.counts.delivered.With(r.name).Inc()
			r.log.Debug().Str("id", m.Reference).Str("what", m.Title()).Msg("delivered")
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m.Repeat = m.Repeat || answer.Arrived
		pause := max(answer.After, wait/2+rand.N(wait/2))
		r.counts.retries.With(r.name).Inc()
		r.log.WithLevel(levelOf(answer.Kind)).Str("answer", string(answer.Kind)).Str("said", answer.Detail).Str("id", m.Reference).
			Stringer("retry_in", pause.Round(time.Millisecond)).Msg(standing[answer.Kind])
		sleep(ctx, pause)
	}
}

// forget says that a message is not sent any more, by whichever route.
func (r *route) forget(m *receiver.Message) {
	r.health.forget(m)
	if r.fallback != nil {
		r.fallback.health.forget(m)
	}
}

// standing says what an answer means for the route.
var standing = map[receiver.Kind]string{
	receiver.Refused: "the route stands: the receiver refuses the event, also as a short text, and no fallback took it; trying again",
	receiver.Misset:  "the route stands: its setting is wrong; trying again",
	receiver.Wait:    "the receiver asks to wait; trying again",
	receiver.Failed:  "delivery failed; trying again",
}

func levelOf(kind receiver.Kind) zerolog.Level {
	if kind == receiver.Refused || kind == receiver.Misset {
		return zerolog.ErrorLevel
	}
	return zerolog.WarnLevel
}

// attempt sends a message once: as it is, as a short text when that is refused, by the fallback when that is refused too.
func (r *route) attempt(ctx context.Context, m *receiver.Message) receiver.Answer {
	answer := r.send(ctx, m)
	if answer.Kind != receiver.Refused || r.fallback == nil {
		return answer
	}
	other := *m
	other.What += " (" + r.name + " refused it)"
	by := r.fallback.send(ctx, &other)
	r.fallback.health.note(m, by)
	r.log.Warn().Str("fallback", r.fallback.name).Str("answer", string(by.Kind)).Str("said", by.Detail).Str("id", m.Reference).
		Msg("sent by the fallback")
	return by
}

// send sends a message once, and once more as a short text when it is refused.
func (r *route) send(ctx context.Context, m *receiver.Message) receiver.Answer {
	answer := r.receiver.Send(ctx, m, false)
	if answer.Kind != receiver.Refused {
		return answer
	}
	r.log.Warn().Str("said", answer.Detail).Str("id", m.Reference).Msg("refused; sending it again as a short text")
	if answer = r.receiver.Send(ctx, m, true); answer.Kind == receiver.Refused {
		r.counts.refused.With(r.name).Inc()
	}
	return answer
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
