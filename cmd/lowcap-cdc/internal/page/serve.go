package page

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"net"
	"net/http"
	"runtime"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
)

//go:embed assets
var pageFiles embed.FS

const (
	pageEvery   = 2 * time.Second  // how often an open page is told how things stand
	auditWithin = 30 * time.Second // for a search of the page
	auditLines  = 500              // newest ones that a search shows
)

// pageNow is how things stand, for the page.
type pageNow struct {
	Version    string                 `json:"version"`
	Go         string                 `json:"go"`
	Slot       string                 `json:"slot"`
	Sink       string                 `json:"sink"`
	Role       string                 `json:"role"` // leader, standby, starting
	Why        string                 `json:"why"`  // this instance is not ready; empty when it is
	Stuck      string                 `json:"stuck"`
	LSN        string                 `json:"lsn"`
	LagSeconds float64                `json:"lag_seconds"`
	LagBytes   int64                  `json:"lag_bytes"`
	Retained   int64                  `json:"retained_wal_bytes"`
	Loss       *float64               `json:"loss_seconds"` // null: not running out
	Server     string                 `json:"server"`       // version; empty while it does not answer
	SeenAgo    float64                `json:"server_seen_seconds_ago"`
	Missing    []string               `json:"tables_missing"`
	Blocks     []cdc.BlockStanding    `json:"blocks"`
	Pools      []cdc.PositionStanding `json:"pools"`
	Exits      []pageLine             `json:"exits"`
	Gaps       []pageLine             `json:"gaps"`
	Quarantine []pageLine             `json:"quarantine"`
	Samples    []sample               `json:"samples"`
	Stream     []pageLine             `json:"stream,omitempty"`
}

// Search returns the timeline of a token.
type Search func(ctx context.Context, reader sink.Reader, token string) ([]readable.Line, error)

// pageServer serves the page and what it asks for.
type pageServer struct {
	settings *settings.Settings
	monitor  *monitor.Monitor
	board    *board
	search   Search
	maxLag   time.Duration
	searches chan struct{} // one search at a time: each reads the whole log
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
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		serve.ServeHTTP(w, r)
	})
}

// now collects how things stand.
func (p *pageServer) now(withStream bool) pageNow {
	m := p.monitor
	n := pageNow{Version: p.settings.Version, Go: runtime.Version(), Slot: p.settings.Slot, Sink: settings.Redact(p.settings.Sink), Role: "leader",
		Why: m.NotReady(p.maxLag), Stuck: m.Stuck(time.Now()), LSN: m.Place().String()}
	switch {
	case m.Standby():
		n.Role = "standby"
	case !m.Ready():
		n.Role = "starting"
	}
	if view, ok := m.View(); ok {
		last := &view.Slot
		n.LagSeconds, n.LagBytes, n.Retained = view.Lag.Seconds(), last.Behind(), last.Retained
		n.Server, n.Missing, n.SeenAgo = last.Version, last.Missing, view.Ago.Seconds()
		if !math.IsInf(view.Loss, 0) {
			n.Loss = &view.Loss
		}
	}
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	n.Blocks, n.Pools = p.board.rows.Blocked(), p.board.rows.Open()
	n.Exits, n.Gaps, n.Quarantine = p.board.exits.newest(), p.board.gaps.newest(), p.board.quarantine.newest()
	n.Samples = append([]sample{}, p.board.samples...)
	if withStream {
		n.Stream = p.board.stream.newest()
	}
	return n
}

// stream serves server-sent events: "now" with how things stand, at once and then every pageEvery, and "line" with each
// event that is committed.
func (p *pageServer) stream(w http.ResponseWriter, r *http.Request) {
	lines, stop := p.board.subscribe()
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(pageEvery)
	defer tick.Stop()
	err := send(w, "now", p.now(true))
	for err == nil {
		select {
		case <-r.Context().Done():
			return
		case l := <-lines:
			err = send(w, "line", l)
		case <-tick.C:
			err = send(w, "now", p.now(false))
		}
	}
}

func send(w http.ResponseWriter, kind string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, data); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
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
	lines, err := p.search(ctx, reader, r.URL.Query().Get("token"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if lines == nil {
		lines = []readable.Line{}
	}
	json.NewEncoder(w).Encode(lines[max(0, len(lines)-auditLines):]) //nolint:errcheck // the browser went away
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
