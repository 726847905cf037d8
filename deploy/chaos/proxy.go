package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// proxy is one TCP connection point that can be made to misbehave.
type proxy struct {
	*toxiproxy.Proxy
	address string // where it listens; the library writes its own field anew whenever it is joined
}

func startProxy(name, upstream string) (*proxy, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := &proxy{Proxy: toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start proxy %s: %w", name, err)
	}
	p.address = p.Listen
	return p, nil
}

// poison adds a toxic to what flows in one direction: upstream is from the sidecar to the server.
func (p *proxy) poison(kind, direction, attributes string) error {
	toxic := fmt.Sprintf(`{"name":"fault","type":%q,"stream":%q,"attributes":{%s}}`, kind, direction, attributes)
	_, err := p.Toxics.AddToxicJson(strings.NewReader(toxic))
	if err != nil {
		return fmt.Errorf("add toxic %s: %w", kind, err)
	}
	return nil
}

// heal removes every toxic. Where data was dropped the connection ends: a hole in a TCP stream does not exist.
func (p *proxy) heal(ctx context.Context) { p.Toxics.ResetToxics(ctx) }

// cut closes every connection and takes no new ones until join.
func (p *proxy) cut() { p.Stop() }

func (p *proxy) join() error { return p.Start() }
