package page

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"math"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
)

//go:embed assets
var pageFiles embed.FS

const (
	pageEvery   = 2 * time.Second  // how often an open page gets the current state
	auditWithin = 30 * time.Second // for a search of the page
	auditLines  = 2000             // newest ones that a search shows
	longestWhy  = 400              // bytes of an error
)

// pageNow is the state that the page shows.
type pageNow struct {
	Version    string   `json:"version"`
	Go         string   `json:"go"`
	Slot       string   `json:"slot"`
	Sink       string   `json:"sink"`
	Role       string   `json:"role"` // leader, standby, starting
	Why        string   `json:"why"`  // this instance is not ready; empty when it is
	Stuck      string   `json:"stuck"`
	LSN        string   `json:"lsn"`
	LagSeconds float64  `json:"lag_seconds"`
	LagBytes   int64    `json:"lag_bytes"`
	Retained   int64    `json:"retained_wal_bytes"`
	Loss       *float64 `json:"loss_seconds"` // null: not running out
	Server     string   `json:"server"`       // version; empty while it does not answer
	SeenAgo    float64  `json:"server_seen_seconds_ago"`
	Missing    []string `json:"tables_missing"`
	Troubles   []string `json:"troubles"` // a lost slot, and what an outage may cost, each with what to do

	Limit       *int64   `json:"retained_wal_limit_bytes"` // null: no limit
	At          string   `json:"at"`                       // this instance's clock
	Age         *float64 `json:"committed_seconds_ago"`    // the age of all that is shown; null before the first commit
	SourceError string   `json:"source_error"`             // since the last commit; empty for none
	SinkError   string   `json:"sink_error"`
	shown
}

// Search visits the events of a token, the oldest first.
type Search func(ctx context.Context, reader sink.Reader, token string, visit func(*sink.Stored)) error

// pageServer serves the page and what it asks for.
type pageServer struct {
	settings *settings.Settings
	monitor  *monitor.Monitor
	keeper   *keeper
	search   Search
	maxLag   time.Duration
	limits   limits
	searches chan struct{} // one search at a time: each reads the whole log
	streams  chan struct{} // who listens

	mu     sync.Mutex
	whole  []byte // the message that a visitor gets first
	made   time.Time
	behind int // the feed's message after it
}

// static serves the files of the page. They hold no data, so they need no token; no page may frame them, and they may
// load nothing from elsewhere.
func (p *pageServer) static() http.Handler {
	files, err := fs.Sub(pageFiles, "assets")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		serve.ServeHTTP(w, r)
	})
}

// finite returns a number unless it is infinite.
func finite(n float64) *float64 {
	if math.IsInf(n, 0) || math.IsNaN(n) {
		return nil
	}
	return &n
}

// now collects the current state, of the lists those that have changed since.
func (p *pageServer) now(since changes) pageNow {
	m := p.monitor
	n := pageNow{Version: p.settings.Version, Go: runtime.Version(), Slot: p.settings.Slot, Sink: settings.Redact(p.settings.Sink),
		Role: "leader", Why: m.NotReady(p.maxLag), Stuck: m.Stuck(time.Now()), LSN: m.Place().String()}
	switch {
	case m.Standby():
		n.Role = "standby"
	case !m.Ready():
		n.Role = "starting"
	}
	if view, ok := m.View(); ok {
		last := &view.Slot
		n.LagSeconds, n.LagBytes, n.Retained = view.Lag.Seconds(), last.Behind(), last.Retained
		if lost := last.Lost(); lost != "" && n.Role == "leader" {
			n.Troubles = append(n.Troubles, lost+"; run: lowcap-cdc reconcile")
		}
		if last.Outage != "" {
			n.Troubles = append(n.Troubles, last.Outage)
		}
		n.Server, n.Missing, n.SeenAgo = last.Version, last.Missing, view.Ago.Seconds()
		n.Loss = finite(view.Loss)
		if last.Safe != nil {
			limit := last.Retained + *last.Safe
			n.Limit = &limit
		}
	}
	source, target := m.Failures()
	n.SourceError, n.SinkError = readable.Cut(readable.Printable(source), longestWhy), readable.Cut(readable.Printable(target), longestWhy)
	if age, ok := m.SinceCommit(); ok {
		seconds := age.Seconds()
		n.Age = &seconds
	}
	n.At = time.Now().UTC().Format(time.RFC3339)
	n.shown, _ = p.keeper.shown(since)
	return n
}

// tell sends the current state to all open pages, until ctx ends.
func (p *pageServer) tell(ctx context.Context) {
	tick := time.NewTicker(pageEvery)
	defer tick.Stop()
	var sent changes
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if len(p.streams) == 0 {
			continue
		}
		n := p.now(sent)
		n.Stream, sent = nil, n.changed
		p.keeper.feed.now(n)
	}
}

// first returns what a visitor gets first, and the number of the feed's message that comes behind it. Visitors who come
// within pageEvery get the same bytes.
func (p *pageServer) first() (text []byte, at int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.whole == nil || time.Since(p.made) > pageEvery {
		behind := p.keeper.feed.end()
		p.whole, p.made, p.behind = event("now", p.now(changes{})), time.Now(), behind
	}
	return p.whole, p.behind
}

// stream serves server-sent events: "now" with the current state, at once and then every pageEvery, and "line" with each
// event that is committed. It ends by itself after a while, and the page comes back: so no one stays who does not read.
func (p *pageServer) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		http.Error(w, "too many pages are open; close some, then load this one again", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), p.limits.stream)
	defer cancel()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close")
	text, at := p.first()
	for p.send(w, text) == nil && ctx.Err() == nil {
		var more <-chan struct{}
		if text, at, more = p.keeper.feed.next(at); more == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-more:
		}
	}
}

// send sends bytes to a visitor who has to read them within the limit.
func (p *pageServer) send(w http.ResponseWriter, text []byte) error {
	c := http.NewResponseController(w)
	if err := c.SetWriteDeadline(time.Now().Add(p.limits.write)); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return c.Flush()
}

// audit serves the timeline of a token.
func (p *pageServer) audit(w http.ResponseWriter, r *http.Request) {
	select {
	case p.searches <- struct{}{}:
		defer func() { <-p.searches }()
	default:
		http.Error(w, "another search is at work; try again", http.StatusTooManyRequests)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), auditWithin)
	defer cancel()
	reader, done, err := p.settings.Reader()
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotImplemented)
		return
	}
	defer done()
	life := newLife(auditLines)
	if err := p.search(ctx, reader, r.URL.Query().Get("token"), life.add); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(life.moments()) //nolint:errcheck // the browser went away
}

// onlyLocalNames refuses a request that a foreign page has sent here by a name of its own that leads to this machine
// (DNS rebinding): whoever serves only this machine is asked for by its address, or as localhost.
func onlyLocalNames(listener net.Addr, next http.Handler) http.Handler {
	at, ok := listener.(*net.TCPAddr)
	if !ok || !at.IP.IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if host != "localhost" && net.ParseIP(host) == nil {
			http.Error(w, "this address serves localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
