package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// serverFlags say what is served over HTTP, and to whom.
type serverFlags struct {
	HTTP     string        `help:"Serve the page, /metrics, /livez and /readyz at this address. Without a host only this machine is served; 0.0.0.0:9187 is for everybody." name:"http" placeholder:"ADDR"`
	Token    string        `help:"Ask for this bearer token, except at /livez, /readyz and the empty page. Better by environment." name:"http-token" placeholder:"SECRET"`
	ReadyLag time.Duration `help:"/readyz answers 503 while the sink is further behind than this." default:"1m"`
	Pprof    bool          `help:"Serve /debug/pprof/ too."`
}

// serve begins to serve and returns what ends it.
func (f *serverFlags) serve(s *Settings, m *monitor, log zerolog.Logger) (stop func(), err error) {
	if f.HTTP == "" {
		return func() {}, nil
	}
	m.page = newPage()
	listener, err := net.Listen("tcp", localUnlessTold(f.HTTP))
	if err != nil {
		return nil, &usageError{fmt.Errorf("serve --http: %w", err)}
	}
	server := &http.Server{Handler: onlyLocalNames(listener.Addr(), f.handler(s, m)), ReadHeaderTimeout: 5 * time.Second}
	log.Info().Stringer("address", listener.Addr()).Msg("serving http")
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("http server ended")
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	go m.recall(ctx, s)
	return func() {
		cancel()
		server.Close() //nolint:errcheck // the process ends
	}, nil
}

// localUnlessTold puts localhost before a bare port.
func localUnlessTold(address string) string {
	if strings.HasPrefix(address, ":") {
		return "localhost" + address
	}
	return address
}

func (f *serverFlags) handler(s *Settings, m *monitor) http.Handler {
	page := newPageServer(s, m, f.ReadyLag)
	closed := http.NewServeMux()
	closed.Handle("GET /metrics", promhttp.HandlerFor(m.metrics.registry, promhttp.HandlerOpts{}))
	closed.HandleFunc("GET /api/stream", page.stream)
	closed.HandleFunc("GET /api/audit", page.audit)
	if f.Pprof {
		closed.HandleFunc("GET /debug/pprof/", pprof.Index)
		closed.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		closed.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	open := http.NewServeMux()
	open.HandleFunc("GET /livez", m.alive)
	open.HandleFunc("GET /readyz", m.isReady(f.ReadyLag))
	for _, file := range []string{"GET /{$}", "GET /page.css", "GET /page.js"} {
		open.Handle(file, page.static())
	}
	open.Handle("/", f.guard(closed))
	return open
}

// guard asks for the token where one is set.
func (f *serverFlags) guard(next http.Handler) http.Handler {
	if f.Token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(f.Token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a bearer token is needed: the one that --http-token names", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
