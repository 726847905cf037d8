package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/decode"
	"lowcap-cdc/deploy/lab"
)

// The publications of a database: of whole rows, of the columns that the sidecar reads, and of whole rows with a heartbeat table
// for rivals. Nobody writes that table but a rival whose slot cannot pass WAL in any other way.
const (
	publication = "lowcap_cdc"
	ofColumns   = "lowcap_columns"
	ofRivals    = "lowcap_rivals"
	heartbeat   = "bench_heartbeat" // its columns are those that go-pq-cdc writes
)

// publish makes the first and the last, and the second for contenders that want it: Postgres 14 has no such lists. A decoder
// does not see a publication in WAL that is older.
func publish(ctx context.Context, conn *pgx.Conn, contenders []string) error {
	err := execAll(ctx, conn, `create publication `+publication+` for table token_timeframe_blocks, lowcap_positions`,
		`create table `+heartbeat+` (id int primary key, last_heartbeat timestamptz not null default now())`,
		`create publication `+ofRivals+` for table token_timeframe_blocks, lowcap_positions, `+heartbeat)
	if err != nil || !slices.ContainsFunc(contenders, func(name string) bool { return strings.HasSuffix(name, "-columns") }) {
		return err
	}
	lists := make(map[decode.Table]string)
	for _, t := range decode.Tables {
		names, _ := decode.Columns(t)
		lists[t] = t.String() + " (" + strings.Join(names, ", ") + ")"
	}
	return execAll(ctx, conn, `create publication `+ofColumns+` for table `+lists[decode.Blocks]+`, `+lists[decode.Positions])
}

// lane is one run of one contender on one backlog, with a slot and a destination of its own.
type lane struct {
	servers  *servers
	binary   string
	database string
	slot     string
	kind     string // limit, file, kafka, base, or a rival's name; limit-binary, limit-columns, kafka-columns
	command  string // a rival's
	turn     int
	tls      bool   // to Postgres and to Kafka
	until    string // LSN
}

func (l *lane) prefix() string { return l.slot + "." }
func (l *lane) dir() string    { return filepath.Join(l.servers.dir, l.slot) }
func (l *lane) isOurs() bool {
	return slices.Contains([]string{"file", "kafka", "kafka-columns", "base"}, l.kind)
}
func (l *lane) isLimit() bool { return strings.HasPrefix(l.kind, "limit") }

func (l *lane) publication() string {
	if strings.HasSuffix(l.kind, "-columns") {
		return ofColumns
	}
	return publication
}

func (l *lane) dsn() string {
	if l.tls {
		return l.servers.postgres.TLS(l.database)
	}
	return l.servers.postgres.DSN(l.database)
}

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
	args := []string{"run", "--postgres", l.dsn(), "--slot", l.slot, "--publication", l.publication(), "--topic-prefix", l.prefix(),
		"--log-level", "warn", "--until", until}
	switch {
	case l.kind == "file":
		args = append(args, "--sink", "file:"+l.dir())
	case l.tls:
		args = append(args, "--sink", "kafka://"+l.servers.kafka.TLS(), "--kafka-tls", "--kafka-ca", l.servers.kafka.Certificates().CA)
	default:
		args = append(args, "--sink", "kafka://"+l.servers.kafka.Addr())
	}
	return exec.CommandContext(ctx, l.binary, args...)
}

// receive returns pg_recvlogical up to the lane's end, writing to a file.
func (l *lane) receive(ctx context.Context, file string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.servers.postgres.Program("pg_recvlogical"), "-d", l.dsn(), "--slot", l.slot, "--start",
		"--endpos", l.until, "-f", file, "-o", "proto_version=1", "-o", "publication_names="+l.publication(), "-o", "messages=true")
	if l.kind == "limit-binary" {
		cmd.Args = append(cmd.Args, "-o", "binary=true")
	}
	return cmd
}

// drain runs the contender and returns what it took.
func (l *lane) drain(ctx context.Context, conn *pgx.Conn) (usage, error) {
	before := used(l.servers.kafka.PID())
	u, err := l.drainAlone(ctx, conn)
	u.BrokerCPU = used(l.servers.kafka.PID()) - before
	return u, err
}

func (l *lane) drainAlone(ctx context.Context, conn *pgx.Conn) (usage, error) {
	switch {
	case l.isOurs():
		return timed(ctx, conn, l.sidecar(ctx, l.until), l.slot, nil)
	case l.isLimit():
		return timed(ctx, conn, l.receive(ctx, "/dev/null"), l.slot, nil)
	}
	return timed(ctx, conn, l.rival(ctx), l.slot, func() (passed bool, err error) {
		err = conn.QueryRow(ctx, `select confirmed_flush_lsn >= $2::text::pg_lsn from pg_replication_slots
			where slot_name = $1`, l.slot, l.until).Scan(&passed)
		return passed, err
	})
}

// rival returns a rival's command; the shell replaces itself, so that its resources are the command's. BENCH_HTTP is a
// port that is free, BENCH_HEARTBEAT a table of the publication that it may write.
func (l *lane) rival(ctx context.Context) *exec.Cmd {
	free, _ := lab.FreePort() // 0 where there is none: the rival says so
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+l.command)
	cmd.Env = append(os.Environ(), "BENCH_POSTGRES="+l.dsn(), "BENCH_DATABASE="+l.database,
		fmt.Sprintf("BENCH_PORT=%d", l.servers.postgres.Port), fmt.Sprintf("BENCH_HTTP=%d", free), "BENCH_SLOT="+l.slot, "BENCH_PUBLICATION="+ofRivals,
		"BENCH_HEARTBEAT="+heartbeat, "BENCH_KAFKA="+l.servers.kafka.Addr(), "BENCH_PREFIX="+l.prefix(), "BENCH_UNTIL="+l.until, "BENCH_DIR="+l.dir())
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
