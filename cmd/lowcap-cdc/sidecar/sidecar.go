// Package sidecar runs the sidecar inside another program, over that program's connections: deploy/simulate stands on it. What
// belongs to a process is left out: flags, signals, the page, the service manager, the look at the slot for the metrics.
package sidecar

import (
	"context"
	"io"
	"net"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/adopt"
	"lowcap-cdc/cmd/lowcap-cdc/internal/handover"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/supervise"
)

// Config is what a process would be told by its flags, and what it would take from its host.
type Config struct {
	Postgres     string // as --postgres
	Sink         string // as --sink
	Slot         string
	Batch        int // see cdc.Pipeline
	DialPostgres func(ctx context.Context, network, address string) (net.Conn, error)
	DialKafka    func(ctx context.Context, network, address string) (net.Conn, error)
	Spread       func(time.Duration) time.Duration // see supervise.Supervisor
	Log          io.Writer
	Hooks        cdc.Hooks
}

// Run is the verb run, with its defaults. It returns nil when ctx ends, and otherwise the error that would end the process.
func Run(ctx context.Context, c Config) error {
	v, err := c.supervisor()
	if err != nil {
		return err
	}
	v.Repair = true
	return v.Run(ctx)
}

// Adopt is reconcile --adopt --yes --even-so. It returns nil when the server is adopted, or needs not be, and when ctx ends.
func Adopt(ctx context.Context, c Config) error {
	v, err := c.supervisor()
	if err != nil {
		return err
	}
	return adopt.Run(ctx, &settings.Streams{Out: io.Discard, Err: c.Log}, adopt.Consent{Yes: true, EvenSo: true}, v)
}

// HandOver is the verb handover. It returns nil when the server is handed over.
func HandOver(ctx context.Context, c Config) error {
	v, err := c.supervisor()
	if err != nil {
		return err
	}
	return handover.Run(ctx, v.Settings, &settings.Streams{Out: io.Discard, Err: c.Log}, c.supervisor)
}

func (c Config) supervisor() (*supervise.Supervisor, error) {
	s := &settings.Settings{Postgres: c.Postgres, Sink: c.Sink, Slot: c.Slot, Publication: "lowcap_cdc", Schema: "public",
		TopicPrefix: "lowcap.", ValueFormat: "cloudevents-json", LogLevel: "info", LogFormat: "json",
		Dial: settings.Dialers{Postgres: c.DialPostgres, Kafka: c.DialKafka}}
	if err := s.Require(); err != nil {
		return nil, err
	}
	m := monitor.New("simulated")
	return &supervise.Supervisor{Settings: s, Out: io.Discard, Log: m.Logger(s.Logger(c.Log)), Monitor: m, Hooks: c.Hooks,
		Spread: c.Spread, Batch: c.Batch}, nil
}

// AsksForRepair reports whether the process would end with exit code 3: somebody has to act before it may run again.
func AsksForRepair(err error) bool { return settings.IsPermanent(err) }
