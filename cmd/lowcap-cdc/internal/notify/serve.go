package notify

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// serve serves /metrics, /livez and /readyz until stop is called.
func (m *messenger) serve(address string) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	if strings.HasPrefix(address, ":") {
		address = "localhost" + address
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, settings.CannotServe(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.counts.registry.Handler(10))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := m.wrong(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "delivering")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	m.log.Info().Stringer("address", listener.Addr()).Msg("serving http")
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error().Err(err).Msg("http server ended")
		}
	}()
	return func() { server.Close() }, nil //nolint:errcheck // the process ends
}
