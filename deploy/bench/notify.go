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
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/schemas"
)

const (
	notifyName = "notify"
	exitRate   = 10 // emergency exits a second, one a transaction
)

// exitLoad is how many other changes a second run in the second measurement.
const exitLoad = 20000

// notified is what became of emergency exits, from the commit, by the database's clock, on.
type notified struct {
	Load    int    `json:"changes_per_second"` // beside the exits
	Written int    `json:"written"`
	Taken   int    `json:"taken"`
	Write   stages `json:"write_ms"`   // of the exits' transactions, for their writer: most of it is the flush of the WAL
	Visible stages `json:"visible_ms"` // to a consumer that reads committed
	Read    stages `json:"read_ms"`    // by notify
	Posted  stages `json:"posted_ms"`  // to the webhook
}

// stages is how long after the commit something was, in milliseconds.
type stages struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// stagesOf sums up what was measured, of which there is something.
func stagesOf(millis []float64) stages {
	slices.Sort(millis)
	return stages{P50: quantileOf(millis, 0.5), P99: quantileOf(millis, 0.99), Max: quantileOf(millis, 1)}
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
	if err := seedBlocks(writers)(ctx, conn); err != nil {
		return nil, err
	}
	var all []notified
	for _, load := range []int{0, exitLoad} {
		one, err := l.notified(ctx, conn, load, o.seconds)
		if err != nil {
			return nil, err
		}
		progress("notify beside %d changes a second: visible p99 %.1f ms, read p99 %.1f ms, posted p50 %.1f ms, p99 %.1f ms, max %.1f ms",
			load, one.Visible.P99, one.Read.P99, one.Posted.P50, one.Posted.P99, one.Posted.Max)
		all = append(all, one)
	}
	return all, nil
}

// notified makes exits while a sidecar and a notify run, and other changes beside them, and waits until the webhook has them.
func (l *lane) notified(ctx context.Context, conn *pgx.Conn, load int, lasting time.Duration) (_ notified, err error) {
	exits := max(1, int(lasting.Seconds()*exitRate))
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
	hook := &webhook{commits: make(map[string]time.Time), at: make(map[string]map[string]time.Time)}
	server := httptest.NewServer(hook)
	defer server.Close()
	notifier := l.notifier(ctx, server.URL)
	go hook.watch(ctx, l)
	if err := startJoined(notifier, hook); err != nil {
		return notified{}, err
	}
	defer func() { err = errors.Join(err, stopped(notifier)) }()
	if load > 0 { // as for a latency: what has just begun is not what is measured
		if _, err := l.write(ctx, load, lasting/2, nil); err != nil {
			return notified{}, err
		}
	}
	loaded := make(chan error, 1)
	go func() {
		if load == 0 {
			loaded <- nil
			return
		}
		_, err := l.write(ctx, load, lasting, nil)
		loaded <- err
	}()
	writes, err := writeExits(ctx, conn, load, exits)
	if err := errors.Join(err, <-loaded); err != nil {
		return notified{}, err
	}
	if err := poll(ctx, 30*time.Second, func() (bool, error) { return hook.missing(exits) == nil, nil }); err != nil {
		return notified{}, errors.Join(hook.missing(exits), err)
	}
	one, err := hook.result(load, exits)
	one.Write = stagesOf(writes)
	return one, err
}

// notifier returns lowcap-cdc notify, which posts to a URL.
func (l *lane) notifier(ctx context.Context, to string) *exec.Cmd {
	return exec.CommandContext(ctx, l.binary, "notify", "--sink", "kafka://"+l.servers.kafka.Addr(), "--topic-prefix", l.prefix(),
		"--group", l.slot, "--slot", l.slot, "--to", to, "--severity", "page", "--log-level", "debug")
}

// startJoined starts notify and waits until it has its place: it delivers what is committed from then on. What it says it
// reads is noted.
func startJoined(cmd *exec.Cmd, hook *webhook) error {
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
			go hook.listen(lines)
			return nil
		}
		said.WriteString(lines.Text())
	}
	return fmt.Errorf("notify: %w: %s", cmd.Wait(), &said)
}

// writeExits makes one emergency exit after the other, each in a transaction of its own; from is above all before them. It returns
// how many milliseconds each took.
func writeExits(ctx context.Context, conn *pgx.Conn, from, exits int) (millis []float64, err error) {
	tick := time.NewTicker(time.Second / exitRate)
	defer tick.Stop()
	for n := from; n < from+exits; n++ {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		document := features(uint64(n), 7<<10, `{"last_trim":`+execution(n, "emergency_exit")+`}`)
		begun := time.Now()
		if _, err := conn.Exec(ctx, `update lowcap_positions set features = $2::jsonb where id = $1::uuid`, positionID(0),
			document); err != nil {
			return nil, err
		}
		millis = append(millis, float64(time.Since(begun).Microseconds())/1000)
	}
	return millis, nil
}

// webhook notes when each event was where.
type webhook struct {
	mu      sync.Mutex
	commits map[string]time.Time            // by id
	at      map[string]map[string]time.Time // by stage and id
	wrong   error
}

func (h *webhook) note(stage, id string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at[stage] == nil {
		h.at[stage] = make(map[string]time.Time)
	}
	h.at[stage][id] = now
}

func (h *webhook) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	now := time.Now()
	var event struct {
		ID, Type string
		Time     time.Time
	}
	err := json.NewDecoder(request.Body).Decode(&event)
	if err == nil && event.Type != "lowcap.emergency_exit.executed.v1" {
		err = fmt.Errorf("the webhook got %q", event.Type)
	}
	h.note("posted", event.ID, now)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = errors.Join(h.wrong, err)
	h.commits[event.ID] = event.Time
}

// listen notes what notify says it has read.
func (h *webhook) listen(lines *bufio.Scanner) {
	for lines.Scan() {
		var said struct{ ID, Message string }
		if json.Unmarshal(lines.Bytes(), &said) == nil && said.Message == "read" {
			h.note("read", said.ID, time.Now())
		}
	}
}

// watch notes when a consumer that reads committed sees each exit.
func (h *webhook) watch(ctx context.Context, l *lane) {
	client, err := kgo.NewClient(kgo.SeedBrokers(l.servers.kafka.Addr()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeTopics(l.prefix()+schemas.EmergencyExits), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return
	}
	defer client.Close()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		now := time.Now()
		fetches.EachRecord(func(record *kgo.Record) {
			for _, header := range record.Headers {
				if header.Key == "ce_id" {
					h.note("visible", string(header.Value), now)
				}
			}
		})
	}
}

// missing says what is not known yet of some exits. The consumer and notify's log are read beside the webhook, and may be later.
func (h *webhook) missing(exits int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wrong != nil {
		return h.wrong
	}
	if len(h.commits) < exits {
		return fmt.Errorf("%d of %d exits were delivered", len(h.commits), exits)
	}
	for _, stage := range []string{"visible", "read", "posted"} {
		if n := len(h.millis(stage)); n < len(h.commits) {
			return fmt.Errorf("%d of %d exits were seen to be %s", n, len(h.commits), stage)
		}
	}
	return nil
}

// millis returns how long after its commit each exit came to a stage.
func (h *webhook) millis(stage string) (all []float64) {
	for id, commit := range h.commits {
		if at, ok := h.at[stage][id]; ok {
			all = append(all, float64(at.Sub(commit).Microseconds())/1000)
		}
	}
	return all
}

func (h *webhook) result(load, written int) (notified, error) {
	if err := h.missing(written); err != nil {
		return notified{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return notified{Load: load, Written: written, Taken: len(h.commits), Visible: stagesOf(h.millis("visible")),
		Read: stagesOf(h.millis("read")), Posted: stagesOf(h.millis("posted"))}, nil
}
