package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

const probeTimeout = 4 * time.Second

type probeCommand struct {
	HTTP string `help:"The address that run serves at." name:"http" default:":9187" placeholder:"ADDR"`
}

// Run asks the instance of this machine whether it is alive. It is the health check of an image that holds no other
// program.
func (p *probeCommand) Run(std *settings.Streams) error {
	host, port, err := net.SplitHostPort(p.HTTP)
	if err != nil {
		return settings.Usage(fmt.Errorf("probe --http: %w", err))
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost" // an address to listen at, not to connect to
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/livez", nil)
	if err != nil {
		return settings.Usage(fmt.Errorf("probe --http: %w", err))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("probe: %w; is lowcap-cdc run --http %s at work?", err, p.HTTP)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1024))
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("probe: %s", strings.TrimSpace(string(answer)))
	}
	_, err = std.Out.Write(answer)
	return err
}
