package page

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// Flags say what is served over HTTP, and to whom.
type Flags struct {
	HTTP      string        `help:"Serve the page, /metrics, /livez and /readyz at this address. Without a host only this machine is served; 0.0.0.0:9187 is for everybody." name:"http" placeholder:"ADDR"`
	Token     string        `help:"Ask for this bearer token, except at /livez, /readyz and the empty page. Better by environment or --http-token-file." name:"http-token" placeholder:"SECRET"`
	TokenFile string        `help:"File that holds that token." name:"http-token-file" placeholder:"FILE"`
	ReadyLag  time.Duration `help:"/readyz answers 503 while the sink is further behind than this." default:"1m"`
	Pprof     bool          `help:"Serve /debug/pprof/ too."`
}

// sampleEvery is how often the charts of the page get a point.
const sampleEvery = 5 * time.Second

// Serve begins to serve. It returns hooks by which the page follows the pipelines, and stop, which ends what was started
// and waits for it.
func (f *Flags) Serve(
	s *settings.Settings, m *monitor.Monitor, log zerolog.Logger, search Search,
) (hooks cdc.Hooks, stop func(), err error) {
	if f.HTTP == "" {
		return hooks, func() {}, nil
	}
	if f.Token, err = settings.Secret("--http-token-file", f.TokenFile, f.Token); err != nil {
		return hooks, nil, err
	}
	if f.TokenFile != "" && f.Token == "" {
		return hooks, nil, settings.Usage(errors.New("--http-token-file: the file is empty; put a token into it"))
	}
	listener, err := net.Listen("tcp", localUnlessTold(f.HTTP))
	if err != nil {
		return hooks, nil, settings.CannotServe(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	page := newPageServer(ctx, s, m, search, f.ReadyLag, inProduction)
	server := inProduction.server(onlyLocalNames(listener.Addr(), f.handler(page)))
	log.Info().Stringer("address", listener.Addr()).Msg("serving http")
	var started sync.WaitGroup
	started.Go(func() {
		if err := server.Serve(inProduction.listener(listener)); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("http server ended")
		}
	})
	started.Go(page.keeper.keep)
	started.Go(func() { page.recall(ctx, log) })
	started.Go(func() { page.sample(ctx) })
	started.Go(func() { page.tell(ctx) })
	return page.keeper.hooks(), func() {
		cancel()
		server.Close() //nolint:errcheck // the process ends
		started.Wait()
	}, nil
}

func newPageServer(
	ctx context.Context, s *settings.Settings, m *monitor.Monitor, search Search, maxLag time.Duration, l limits,
) *pageServer {
	return &pageServer{settings: s, monitor: m, keeper: newKeeper(ctx), search: search, maxLag: maxLag, limits: l,
		searches: make(chan struct{}, 1), streams: make(chan struct{}, l.streams)}
}

// recall shows what the sink holds from before.
func (p *pageServer) recall(ctx context.Context, log zerolog.Logger) {
	reader, done, err := p.settings.Reader()
	if err == nil {
		defer done()
		err = p.keeper.recall(ctx, reader)
	}
	if err != nil {
		log.Debug().Err(err).Msg("earlier events are not shown on the page")
	}
}

// sample adds points to the charts until ctx ends.
func (p *pageServer) sample(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		point := sample{At: time.Now()}
		if view, ok := p.monitor.View(); ok {
			point.Lag, point.Retained, point.Loss = view.Lag.Seconds(), view.Slot.Retained, finite(view.Loss)
		}
		p.keeper.change(func(b *board) { b.sample(point) })
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// localUnlessTold puts localhost before a bare port.
func localUnlessTold(address string) string {
	if strings.HasPrefix(address, ":") {
		return "localhost" + address
	}
	return address
}

func (f *Flags) handler(page *pageServer) http.Handler {
	closed := http.NewServeMux()
	closed.Handle("GET /metrics", page.monitor.Handler())
	closed.HandleFunc("GET /api/stream", page.stream)
	closed.HandleFunc("GET /api/audit", page.audit)
	if f.Pprof {
		closed.HandleFunc("GET /debug/pprof/", pprof.Index)
		closed.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		closed.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	open := http.NewServeMux()
	open.HandleFunc("GET /livez", page.monitor.Alive)
	open.HandleFunc("GET /readyz", page.monitor.IsReady(f.ReadyLag))
	for _, file := range []string{"GET /{$}", "GET /page.css", "GET /lists.js", "GET /pictures.js", "GET /page.js"} {
		open.Handle(file, page.static())
	}
	open.Handle("/", f.guard(closed))
	return open
}

// guard asks for the token where one is set.
func (f *Flags) guard(next http.Handler) http.Handler {
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
