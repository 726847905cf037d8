package notify

import (
	"sync"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
)

// health is how a route does, for those who look at it from outside.
type health struct {
	mu      sync.Mutex
	failing time.Time // since when no attempt succeeded; zero while the last one did, or there was none
	said    string    // the last answer that was no success
	lanes   []*laneHealth
}

// laneHealth is how the reading for a route does.
type laneHealth struct {
	mu      sync.Mutex
	read    time.Time // when a round was last read, or is being delivered
	waiting time.Time // commit time of the oldest event that is in hand; zero for none
}

func (h *health) note(a receiver.Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case a.Kind == receiver.Delivered:
		h.failing, h.said = time.Time{}, ""
	case h.failing.IsZero():
		h.failing, h.said = time.Now(), a.Detail
	default:
		h.said = a.Detail
	}
}

// failed returns since when the route fails, and what it was told; the zero time when it does not.
func (h *health) failed() (since time.Time, said string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failing, h.said
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
