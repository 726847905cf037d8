package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"

	"lowcap-cdc/deploy/lab"
)

// servers are what every workload runs against.
type servers struct {
	postgres *lab.Postgres
	kafka    *lab.Kafka
	dir      string // for file sinks
}

// startServers starts a Postgres that does not checkpoint into a measurement, and a Kafka.
func startServers(ctx context.Context) (*servers, error) {
	return startServersWith(ctx, "shared_buffers=1GB", "max_wal_size=32GB", "checkpoint_timeout=1h", "max_replication_slots=60",
		"max_wal_senders=60", "track_commit_timestamp=off")
}

// startServersWith starts a Postgres that keeps its promises (fsync stays on), with these settings, and a Kafka.
func startServersWith(ctx context.Context, settings ...string) (_ *servers, err error) {
	s := &servers{}
	if s.dir, err = os.MkdirTemp("", "lowcap-bench"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.postgres, err = lab.StartEncryptedPostgres(ctx, settings...); err != nil {
		return nil, err
	}
	s.kafka, err = lab.StartKafkaAsShipped(ctx)
	return s, err
}

func (s *servers) close() error {
	var errs []error
	if s.kafka != nil {
		errs = append(errs, s.kafka.Close())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// versions names what was measured, for the report.
func (s *servers) versions(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, s.postgres.Program("postgres"), "--version").Output()
	version := regexp.MustCompile(`[0-9][0-9.]*`).Find(out)
	if err != nil || version == nil {
		version = []byte("?")
	}
	return fmt.Sprintf("Postgres %s, Kafka %s, %s, %s/%s", version, lab.KafkaVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
