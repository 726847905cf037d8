package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/deploy/lab"
)

// soakedWorld is a sidecar, and notify beside it, on a database and a broker.
type soakedWorld struct {
	*sampler
	lane     *lane
	receiver *httptest.Server
	running  []*exec.Cmd
	logged   []string // files
}

// startSoaked starts the sidecar and notify, and waits until both are at work.
func (s *servers) startSoaked(ctx context.Context, o options, plan soakPlan) (_ *soakedWorld, err error) {
	const database = "bench_soak"
	w := &soakedWorld{lane: &lane{servers: s, binary: o.binary, database: database, kind: "kafka", slot: database},
		sampler: &sampler{slot: database, notified: new(atomic.Int64)}}
	w.state = w.lane.prefix() + "cdc-state"
	if w.conn, err = s.postgres.CreateSource(ctx, database); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.client, err = kgo.NewClient(w.lane.client()...); err != nil {
		return nil, err
	}
	if err := errors.Join(lab.SeedPositions(ctx, w.conn, lab.LoadPositions), seedBlocks(plan.blocks)(ctx, w.conn)); err != nil {
		return nil, err
	}
	if err := w.lane.prepare(ctx, w.conn); err != nil {
		return nil, err
	}
	if w.sidecar, err = w.serve(ctx, w.lane.sidecar(ctx, "FFFFFFFF/FFFFFFFF"), "--pprof"); err != nil {
		return nil, err
	}
	w.receiver = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		if _, err := io.Copy(io.Discard, request.Body); err == nil {
			w.notified.Add(1)
		}
	}))
	w.notify, err = w.serve(ctx, exec.CommandContext(ctx, o.binary, "notify", "--sink", "kafka://"+s.kafka.Addr(), "--topic-prefix",
		w.lane.prefix(), "--group", w.slot, "--slot", w.slot, "--to", w.receiver.URL, "--severity", "page", "--log-level", "warn"))
	return w, err
}

// serve starts a program that serves its metrics, and waits until it is ready.
func (w *soakedWorld) serve(ctx context.Context, cmd *exec.Cmd, args ...string) (observed, error) {
	port, err := lab.FreePort()
	if err != nil {
		return observed{}, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cmd.Args = append(append(cmd.Args, "--http", address), args...)
	name := filepath.Join(w.lane.servers.dir, cmd.Args[1]+".log")
	log, err := os.Create(name)
	if err != nil {
		return observed{}, err
	}
	defer log.Close() //nolint:errcheck // the program has its own descriptor
	cmd.Stdout, cmd.Stderr = log, log
	if err := startBound(cmd); err != nil {
		return observed{}, err
	}
	w.running, w.logged = append(w.running, cmd), append(w.logged, name)
	err = poll(ctx, time.Minute, func() (bool, error) {
		answer, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return false, nil // it does not listen yet
		}
		return answer.StatusCode == http.StatusOK, answer.Body.Close()
	})
	if err != nil {
		return observed{}, fmt.Errorf("%s is not ready: %w\n%s", cmd.Args[1], err, w.logs())
	}
	return observed{pid: cmd.Process.Pid, url: "http://" + address + "/metrics"}, nil
}

// logs returns the ends of what the programs have said.
func (w *soakedWorld) logs() string {
	var all strings.Builder
	for _, name := range w.logged {
		text, err := os.ReadFile(name)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&all, "%s:\n%s\n", filepath.Base(name), text[max(0, len(text)-2000):])
	}
	return all.String()
}

// verb runs one verb of the sidecar on the lane's sink and returns the line that begins with a word.
func (w *soakedWorld) verb(ctx context.Context, word string, args ...string) (string, error) {
	args = append(args, "--postgres", w.lane.dsn(), "--sink", "kafka://"+w.lane.servers.kafka.Addr(), "--slot", w.slot, "--topic-prefix",
		w.lane.prefix())
	out, err := exec.CommandContext(ctx, w.lane.binary, args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if err == nil && strings.HasPrefix(line, word+" ") {
			return strings.Join(strings.Fields(line), " "), nil
		}
	}
	return "", fmt.Errorf("%s: %w: %s", strings.Join(args[:2], " "), cmp.Or(err, errors.New("it does not say "+word)), out)
}

// close ends the programs, notify before what it reads from, and gives the connections back.
func (w *soakedWorld) close() error {
	var errs []error
	for i := len(w.running) - 1; i >= 0; i-- {
		errs = append(errs, stopped(w.running[i]))
	}
	if w.receiver != nil {
		w.receiver.Close()
	}
	if w.client != nil {
		w.client.Close()
	}
	return errors.Join(append(errs, w.conn.Close(context.Background()))...)
}
