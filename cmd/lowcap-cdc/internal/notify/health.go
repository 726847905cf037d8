package notify

import (
	"sync"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
)

// health is how a route does, for those who look at it from outside.
type health struct {
	mu      sync.Mutex
	failing map[*receiver.Message]failure // messages whose last attempt did not succeed: one that succeeds does not hide another
	lanes   []*laneHealth
}

// failure is what does not work.
type failure struct {
	since time.Time // when it began
	said  string    // why, as it was last heard
}

// laneHealth is how the reading for a route does.
type laneHealth struct {
	mu      sync.Mutex
	read    time.Time // when a round was last read, or is being delivered
	waiting time.Time // commit time of the oldest event that is in hand; zero for none
	stopped failure   // reading, or remembering what was handled; zero while both work
}

// note takes in what came of an attempt to send a message.
func (h *health) note(m *receiver.Message, a receiver.Answer) {
	if a.Kind == receiver.Delivered {
		h.forget(m)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing == nil {
		h.failing = make(map[*receiver.Message]failure)
	}
	since := time.Now()
	if before, known := h.failing[m]; known {
		since = before.since
	}
	h.failing[m] = failure{since, a.Detail}
}

// forget says that a message is not sent any more.
func (h *health) forget(m *receiver.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failing, m)
}

// failed returns what has failed for longest of the messages that are sent, zero when none fails.
func (h *health) failed() (worst failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.failing {
		worst = worst.orOlder(f)
	}
	return worst
}

// stopped returns why a lane has not gone on for longest, zero when all do.
func (h *health) stopped() (worst failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.lanes {
		worst = worst.orOlder(l.stands())
	}
	return worst
}

func (f failure) orOlder(other failure) failure {
	if !other.since.IsZero() && (f.since.IsZero() || other.since.Before(f.since)) {
		return other
	}
	return f
}

// lasts reports whether it has been so for longer than a span.
func (f failure) lasts(span time.Duration) bool {
	return !f.since.IsZero() && time.Since(f.since) > span
}

// lane returns the health of a new lane.
func (h *health) lane() *laneHealth {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &laneHealth{}
	h.lanes = append(h.lanes, l)
	return l
}

// oldest returns how long ago the oldest event was committed that is in hand and not delivered; 0 for none.
func (h *health) oldest(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	var age time.Duration
	for _, l := range h.lanes {
		if at := l.oldest(); !at.IsZero() {
			age = max(age, now.Sub(at))
		}
	}
	return age
}

// unread returns for how long a lane of the route has read nothing.
func (h *health) unread(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	var longest time.Duration
	for _, l := range h.lanes {
		l.mu.Lock()
		if l.waiting.IsZero() { // else the failing route is what is wrong
			longest = max(longest, now.Sub(l.read))
		}
		l.mu.Unlock()
	}
	return longest
}

func (l *laneHealth) oldest() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// reads says that a round was read; oldest is the commit time of the first event in hand, zero for none.
func (l *laneHealth) reads(oldest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read, l.waiting = time.Now(), oldest
}

func (l *laneHealth) stands() failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// stop says why reading, or remembering what was handled, does not work.
func (l *laneHealth) stop(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped.since.IsZero() {
		l.stopped.since = time.Now()
	}
	l.stopped.said = why
}

// goOn says that both work again.
func (l *laneHealth) goOn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = failure{}
}
