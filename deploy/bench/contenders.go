package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const publication = "lowcap_cdc"

// lane is one run of one contender on one backlog, with a slot and a destination of its own.
type lane struct {
	servers  *servers
	binary   string
	database string
	slot     string
	kind     string // limit, file, kafka, or a rival's name
	command  string // a rival's
	until    string // LSN
}

func (l *lane) prefix() string { return l.slot + "." }
func (l *lane) dir() string    { return filepath.Join(l.servers.dir, l.slot) }
func (l *lane) isOurs() bool   { return l.kind == "file" || l.kind == "kafka" }

// prepare makes the slot; the sidecar takes its baseline with it.
func (l *lane) prepare(ctx context.Context, conn *pgx.Conn) error {
	if !l.isOurs() {
		_, err := conn.Exec(ctx, `select pg_create_logical_replication_slot($1, 'pgoutput')`, l.slot)
		return err
	}
	if out, err := l.sidecar(ctx, "now").CombinedOutput(); err != nil {
		return fmt.Errorf("baseline: %w: %s", err, out)
	}
	return nil
}

// sidecar returns a run of lowcap-cdc up to a place.
func (l *lane) sidecar(ctx context.Context, until string) *exec.Cmd {
	sink := "file:" + l.dir()
	if l.kind == "kafka" {
		sink = "kafka://" + l.servers.kafka.Addr()
	}
	return exec.CommandContext(ctx, l.binary, "run", "--postgres", l.servers.postgres.DSN(l.database), "--sink", sink,
		"--slot", l.slot, "--publication", publication, "--topic-prefix", l.prefix(), "--log-level", "warn", "--until", until)
}

// receive returns pg_recvlogical up to the lane's end, writing to a file.
func (l *lane) receive(ctx context.Context, file string) *exec.Cmd {
	return exec.CommandContext(ctx, l.servers.postgres.Program("pg_recvlogical"), "-d", l.servers.postgres.DSN(l.database), "--slot", l.slot,
		"--start", "--endpos", l.until, "-f", file, "-o", "proto_version=1", "-o", "publication_names="+publication, "-o", "messages=true")
}

// drain runs the contender and returns what it took.
func (l *lane) drain(ctx context.Context, conn *pgx.Conn) (usage, error) {
	switch {
	case l.isOurs():
		return timed(ctx, conn, l.sidecar(ctx, l.until), l.slot, nil)
	case l.kind == "limit":
		return timed(ctx, conn, l.receive(ctx, "/dev/null"), l.slot, nil)
	}
	return timed(ctx, conn, l.rival(ctx), l.slot, func() (passed bool, err error) {
		err = conn.QueryRow(ctx, `select confirmed_flush_lsn >= $2::text::pg_lsn from pg_replication_slots
			where slot_name = $1`, l.slot, l.until).Scan(&passed)
		return passed, err
	})
}

// rival returns a rival's command; the shell replaces itself, so that its resources are the command's.
func (l *lane) rival(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+l.command)
	cmd.Env = append(os.Environ(), "BENCH_POSTGRES="+l.servers.postgres.DSN(l.database), "BENCH_DATABASE="+l.database,
		fmt.Sprintf("BENCH_PORT=%d", l.servers.postgres.Port), "BENCH_SLOT="+l.slot, "BENCH_PUBLICATION="+publication,
		"BENCH_KAFKA="+l.servers.kafka.Addr(), "BENCH_PREFIX="+l.prefix(), "BENCH_UNTIL="+l.until, "BENCH_DIR="+l.dir())
	return cmd
}

// pgoutputBytes reads the lane's slot to its end and returns how many bytes the server sent.
func (l *lane) pgoutputBytes(ctx context.Context) (int64, error) {
	file := l.dir()
	if out, err := l.receive(ctx, file).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("pg_recvlogical: %w: %s", err, out)
	}
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), os.Remove(file)
}

// close gives the lane's slot and what was written back. The server notices the end of a connection a moment later.
func (l *lane) close(ctx context.Context, conn *pgx.Conn) error {
	err := poll(ctx, 30*time.Second, func() (gone bool, err error) {
		err = conn.QueryRow(ctx, `with dropped as (
				select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active)
			select not exists (select 1 from pg_replication_slots where slot_name = $1 and active)
			from (select count(*) from dropped) d`, l.slot).Scan(&gone)
		return gone, err
	})
	return errors.Join(err, os.RemoveAll(l.dir()), l.deleteTopics(ctx))
}

func (l *lane) deleteTopics(ctx context.Context) error {
	topics, err := l.topics(ctx)
	if err != nil || len(topics) == 0 {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(l.servers.kafka.Addr()))
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).DeleteTopics(ctx, topics...)
	return err
}

// topics returns the lane's topics.
func (l *lane) topics(ctx context.Context) ([]string, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(l.servers.kafka.Addr()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	all, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	var own []string
	for _, name := range all.Names() {
		if strings.HasPrefix(name, l.prefix()) && !strings.HasSuffix(name, "cdc-state") {
			own = append(own, name)
		}
	}
	return own, nil
}
