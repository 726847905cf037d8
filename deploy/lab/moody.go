package lab

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Moody is a receiver of pages that answers as it likes, by chance, in the words of its API. What it accepted it keeps, also when
// it hangs up before it says so.
type Moody struct {
	URL    string
	server *http.Server
	moods  int                                       // of so many, ten are bad
	name   func(body string) (name string, can bool) // what a message is about, and whether it is one that can be accepted

	mu       sync.Mutex
	random   *rand.Rand
	accepted []Accepted
	refused  int // bad answers to what was not accepted
	calm     bool
}

// Accepted is a message that a Moody has accepted.
type Accepted struct {
	Name   string
	Marked bool // as one that may be a repeat
}

const (
	longestSulk = 15 * time.Second
	accepts     = 99 // a good mood
)

// StartMoody starts a receiver that is in one of ten bad moods ten times of so many moods. name says what a message is about;
// what it says cannot be accepted is refused.
func StartMoody(seed uint64, moods int, name func(body string) (string, bool)) (*Moody, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Moody{URL: "http://" + listener.Addr().String(), random: rand.New(rand.NewPCG(seed, 7)), moods: moods, name: name} // not a secret
	m.server = &http.Server{Handler: m, ReadHeaderTimeout: longestSulk}
	go m.server.Serve(listener) //nolint:errcheck // until it is closed
	return m, nil
}

// Close ends it.
func (m *Moody) Close() error { return m.server.Close() }

// CalmDown makes it accept everything from now on, and say so.
func (m *Moody) CalmDown() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calm = true
}

// Accepted returns what it has accepted, in order.
func (m *Moody) Accepted() []Accepted {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.accepted)
}

// Answers returns how often it has accepted something, and how often it has answered badly to what it did not accept.
func (m *Moody) Answers() (accepted, refused int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.accepted), m.refused
}

// Distinct returns how many names it has accepted.
func (m *Moody) Distinct() int {
	names := make(map[string]bool)
	for _, a := range m.Accepted() {
		names[a.Name] = true
	}
	return len(names)
}

// take draws a mood, and keeps the message when it is accepted in that.
func (m *Moody) take(body string) (mood int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mood = m.random.IntN(m.moods)
	if mood == 1 && m.random.IntN(4) > 0 {
		mood = accepts // a hang takes long
	}
	if m.calm {
		mood = accepts
	}
	name, can := m.name(body)
	if isGood := mood < 3 || mood > 9; isGood && can {
		m.accepted = append(m.accepted, Accepted{name, strings.Contains(body, "may be a repeat")})
		return mood
	} else if isGood {
		mood = 5
	}
	m.refused++
	return mood
}

// ServeHTTP answers one request.
func (m *Moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // a client that was killed
	}
	switch m.take(string(body)) {
	case 0: // accepted, and nobody hears of it
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close() //nolint:errcheck // that is the fault
		}
	case 1: // accepted, and never answered
		sulk(r, longestSulk)
	case 2: // accepted, with a body that takes its time
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		sulk(r, time.Second)
		fmt.Fprintln(w, `{"ok":true}`)
	case 3:
		w.WriteHeader(http.StatusInternalServerError)
	case 4:
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprintln(w, `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":1}}`)
	case 5:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintln(w, `{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities"}`)
	case 6:
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
	case 7:
		w.WriteHeader(http.StatusUnauthorized)
	case 8:
		w.WriteHeader(http.StatusNotFound)
	case 9:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	default:
		fmt.Fprintln(w, `{"ok":true}`)
	}
}

func sulk(r *http.Request, d time.Duration) {
	select {
	case <-r.Context().Done():
	case <-time.After(d):
	}
}
