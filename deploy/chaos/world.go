package main

import (
	"cmp"
	"context"
	_ "embed" // the oracle's triggers
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
	"lowcap-cdc/deploy/lab"
)

const (
	firstDatabase = "chaos"
	prefix        = "chaos."
)

//go:embed oracle.sql
var oracleSQL string

// world is everything that takes part: the servers, the proxies before them, and the sidecar under test.
type world struct {
	options  options
	dir      string
	postgres *lab.Postgres
	database string
	kafka    *lab.Cluster // nil where the broker is a fake
	toPG     *proxy
	toKafka  []*proxy
	brokers  []string // addresses past the proxy
	sink     string   // of the sidecar
	sidecar  *instance
	retired  []*instance // second instances of earlier faults
	replaced []io.Closer // servers that another one has taken the place of
	sealer   *instance   // nil where there is none
	pages    *pages      // nil where nobody is told
	tail     *tail
	kept     bool
	// gate is held for writing by what must happen between two writes of the load.
	gate sync.RWMutex
	// reconciled says that the streams have found differences, each at a place of its own.
	reconciled bool
}

func newWorld(ctx context.Context, o options) (*world, error) {
	return newWorldWith(ctx, o, (*world).startKafka)
}

func newWorldWith(ctx context.Context, o options, startKafka func(*world, context.Context) error) (w *world, err error) {
	w = &world{options: o, database: firstDatabase}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "lowcap-chaos"); err != nil {
		return w, err
	}
	if err := w.startPostgres(ctx); err != nil {
		return w, err
	}
	if err := startKafka(w, ctx); err != nil {
		return w, err
	}
	if err := w.prepare(ctx); err != nil {
		return w, err
	}
	if w.tail, err = startTail(w.brokers); err != nil {
		return w, err
	}
	if o.seals {
		if err := w.startSealer(); err != nil {
			return w, err
		}
	}
	if o.pages {
		if w.pages, err = startPages(w); err != nil {
			return w, err
		}
	}
	w.sidecar, err = startInstance(w.dir, "sidecar", w.command)
	return w, err
}

func (w *world) startPostgres(ctx context.Context) (err error) {
	// A walsender whose client is cut off must not hold the slot for a minute.
	settings := []string{"fsync=off", "wal_sender_timeout=5s", "max_wal_size=4GB", "wal_keep_size=4GB"}
	if w.postgres, err = lab.StartPostgresOf(ctx, w.options.postgres, settings...); err != nil {
		return err
	}
	w.toPG, err = startProxy("postgres", fmt.Sprintf("127.0.0.1:%d", w.postgres.Port))
	return err
}

func (w *world) startKafka(ctx context.Context) (err error) {
	w.kafka, err = lab.StartCluster(ctx, w.options.brokers, func(listener string) (string, error) {
		p, err := startProxy("kafka", listener)
		if err != nil {
			return "", err
		}
		w.toKafka = append(w.toKafka, p)
		return p.address, nil
	})
	if err != nil {
		return err
	}
	w.brokers, w.sink = w.kafka.Addrs(), "kafka://"+strings.Join(w.kafka.Proxied(), ",")
	return nil
}

// prepare makes the tables with the oracle's triggers, and both slots, before the first write.
func (w *world) prepare(ctx context.Context) error {
	source, err := w.postgres.CreateSource(ctx, w.database)
	if err != nil {
		return err
	}
	defer source.Close(ctx) //nolint:errcheck // nothing was left undone on it
	if err := lab.SeedPositions(ctx, source, lab.LoadPositions); err != nil {
		return err
	}
	if _, err := source.Exec(ctx, oracleSQL); err != nil {
		return fmt.Errorf("create the oracle's triggers: %w", err)
	}
	if err := finish(w.command()); err != nil {
		return err
	}
	return finish(w.reference())
}

// command returns a run of the sidecar under test. finish makes it end.
func (w *world) command() *exec.Cmd {
	cmd := exec.Command(w.options.binary, "run", "--postgres", "postgres://postgres@"+w.toPG.address+"/"+w.database+"?sslmode=disable",
		"--sink", w.sink, "--slot", "disturbed", "--topic-prefix", prefix)
	if w.options.trace != "" {
		cmd.Env = append(os.Environ(), "LOWCAP_CDC_TRACE="+w.options.trace)
	}
	return cmd
}

// reference returns a run of the undisturbed sidecar: its own slot, no proxy, a file.
func (w *world) reference() *exec.Cmd {
	return exec.Command(w.options.binary, "run", "--postgres", w.postgres.DSN(w.database), "--sink", "file:"+filepath.Join(w.dir, "reference"),
		"--slot", "reference")
}

// finish runs a sidecar until it has handled everything that is committed.
func finish(cmd *exec.Cmd) error {
	cmd.Args = append(cmd.Args, "--until", "now")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run to the end: %w: %s", err, out)
	}
	return nil
}

// recovered waits until something that is committed from now on has come out at the other end, and returns how long
// that took.
func (w *world) recovered(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	var now uint64
	err := eventually(ctx, "ask the database for its place", func() (err error) {
		now, err = w.place(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	err = eventually(ctx, "wait for an event", func() error {
		if newest := w.tail.place(); newest <= now {
			return fmt.Errorf("the newest event is at %s, the database at %s", decode.LSN(newest), decode.LSN(now))
		}
		return nil
	})
	return time.Since(begun), err
}

func (w *world) place(ctx context.Context) (uint64, error) {
	var text string
	if err := w.ask(ctx, "select pg_current_wal_insert_lsn()::text", &text); err != nil {
		return 0, err
	}
	lsn, err := decode.ParseLSN(text)
	return uint64(lsn), err
}

// ask runs one query past the proxy.
func (w *world) ask(ctx context.Context, sql string, answer ...any) error {
	conn, err := pgx.Connect(ctx, w.postgres.DSN(w.database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
	if len(answer) == 0 {
		_, err = conn.Exec(ctx, sql)
		return err
	}
	return conn.QueryRow(ctx, sql).Scan(answer...)
}

// catchUp ends the disturbed run and lets both streams come to the end of what was written.
func (w *world) catchUp(ctx context.Context) error {
	w.sidecar.stop()
	err := eventually(ctx, "finish the disturbed stream", func() error { return finish(w.command()) })
	if err != nil {
		return err
	}
	return finish(w.reference())
}

// exits counts how often each instance ended by itself, by exit code.
func (w *world) exits() map[int]int {
	sum := make(map[int]int)
	for _, i := range append(w.retired, w.sidecar) {
		for code, n := range i.exits {
			sum[code] += n
		}
	}
	return sum
}

// keep leaves the logs and the reference where they are, for whoever has to find out what happened.
func (w *world) keep() error {
	w.kept = true
	fmt.Fprintf(w.options.out, "logs and events are kept in %s\n", w.dir)
	return nil
}

// closeReplaced removes what another server has taken the place of.
func (w *world) closeReplaced() {
	for _, server := range w.replaced {
		server.Close() //nolint:errcheck // it may have been stopped
	}
	w.replaced = nil
}

// close ends everything that was started.
func (w *world) close() error {
	var errs []error
	if w.sidecar != nil {
		w.sidecar.stop()
	}
	if w.sealer != nil {
		w.sealer.stop()
	}
	if w.pages != nil {
		w.pages.close()
	}
	if w.tail != nil {
		w.tail.close()
	}
	for _, p := range append(w.toKafka, w.toPG) {
		if p != nil {
			p.cut()
		}
	}
	if w.kafka != nil {
		errs = append(errs, w.kafka.Close())
	}
	if w.postgres != nil {
		errs = append(errs, w.postgres.Close())
	}
	w.closeReplaced()
	if !w.kept && w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

func topics() []string {
	names := []string{"entry-blocks", "trim-pools", "emergency-exits", "executions", "positions", "quarantine", "control"}
	for i := range names {
		names[i] = prefix + names[i]
	}
	return names
}

func kafkaVersion() string { return cmp.Or(os.Getenv("LOWCAP_CDC_KAFKA_VERSION"), lab.KafkaVersion) }
