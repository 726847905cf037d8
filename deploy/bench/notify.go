package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	notifyName = "notify"
	exitRate   = 10 // emergency exits a second, one a transaction
)

// notified is what a webhook behind lowcap-cdc notify saw of emergency exits, from the commit, by the database's clock, to
// the webhook.
type notified struct {
	Written int     `json:"written"`
	Taken   int     `json:"taken"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
}

// notify measures the whole way of an emergency exit: Postgres, sidecar, Kafka, notify, webhook.
func (s *servers) notify(ctx context.Context, o options) (_ []notified, err error) {
	const database = "bench_notify"
	conn, err := s.postgres.CreateSource(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.drop(context.WithoutCancel(ctx), conn, database)) }()
	if err := seedPositions(1, 7<<10)(ctx, conn); err != nil {
		return nil, err
	}
	l := &lane{servers: s, binary: o.binary, database: database, kind: "kafka", slot: database}
	// The server sends what is on its disk. A commit that does not wait for that is sent up to 600 ms later.
	if err := execAll(ctx, conn, `set synchronous_commit = on`); err != nil {
		return nil, err
	}
	if err := l.prepare(ctx, conn); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close(context.WithoutCancel(ctx), conn)) }()
	one, err := l.notified(ctx, conn, int(o.seconds.Seconds()*exitRate))
	if err != nil {
		return nil, err
	}
	progress("notify: p50 %.1f ms, p99 %.1f ms, max %.1f ms", one.P50, one.P99, one.Max)
	return []notified{one}, nil
}

// notified makes exits while a sidecar and a notify run, and waits until the webhook has them.
func (l *lane) notified(ctx context.Context, conn *pgx.Conn, exits int) (_ notified, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := l.sidecar(ctx, "FFFFFFFF/FFFFFFFF")
	if err := startBound(cmd); err != nil {
		return notified{}, err
	}
	defer func() { err = errors.Join(err, stopped(cmd)) }()
	if err := l.streaming(ctx, conn); err != nil {
		return notified{}, err
	}
	hook := &webhook{}
	server := httptest.NewServer(hook)
	defer server.Close()
	notifier := l.notifier(ctx, server.URL)
	if err := startJoined(notifier); err != nil {
		return notified{}, err
	}
	defer func() { err = errors.Join(err, stopped(notifier)) }()
	if err := writeExits(ctx, conn, exits); err != nil {
		return notified{}, err
	}
	if err := poll(ctx, 30*time.Second, func() (bool, error) { return hook.taken() >= exits, nil }); err != nil {
		return notified{}, fmt.Errorf("%d of %d exits were delivered: %w", hook.taken(), exits, err)
	}
	return hook.result(exits)
}

// notifier returns lowcap-cdc notify, which posts to a URL.
func (l *lane) notifier(ctx context.Context, to string) *exec.Cmd {
	return exec.CommandContext(ctx, l.binary, "notify", "--sink", "kafka://"+l.servers.kafka.Addr(), "--topic-prefix", l.prefix(),
		"--group", l.slot, "--to", to, "--severity", "page")
}

// startJoined starts notify and waits until it has its place: it delivers what is committed from then on.
func startJoined(cmd *exec.Cmd) error {
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := startBound(cmd); err != nil {
		return err
	}
	var said strings.Builder
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), "watching from") {
			return nil
		}
		said.WriteString(lines.Text())
	}
	return fmt.Errorf("notify: %w: %s", cmd.Wait(), &said)
}

// writeExits makes one emergency exit after the other, each in a transaction of its own.
func writeExits(ctx context.Context, conn *pgx.Conn, exits int) error {
	tick := time.NewTicker(time.Second / exitRate)
	defer tick.Stop()
	for n := range exits {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		document := features(uint64(n), 7<<10, `{"last_trim":`+execution(n, "emergency_exit")+`}`)
		if _, err := conn.Exec(ctx, `update lowcap_positions set features = $2::jsonb where id = $1::uuid`, positionID(0),
			document); err != nil {
			return err
		}
	}
	return nil
}

// webhook notes how long each event took to it.
type webhook struct {
	mu     sync.Mutex
	millis []float64
	wrong  error
}

func (h *webhook) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	now := time.Now()
	var event struct {
		Type string
		Time time.Time
	}
	err := json.NewDecoder(request.Body).Decode(&event)
	if err == nil && event.Type != "lowcap.emergency_exit.executed.v1" {
		err = fmt.Errorf("the webhook got %q", event.Type)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = errors.Join(h.wrong, err)
	h.millis = append(h.millis, float64(now.Sub(event.Time).Microseconds())/1000)
}

func (h *webhook) taken() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.millis)
}

func (h *webhook) result(written int) (notified, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.millis)
	return notified{Written: written, Taken: len(h.millis), P50: quantileOf(h.millis, 0.5), P99: quantileOf(h.millis, 0.99),
		Max: quantileOf(h.millis, 1)}, h.wrong
}
