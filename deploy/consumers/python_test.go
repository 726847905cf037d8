package consumers

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/sink/kafka"
)

// withPackage lets a program find the package of deploy/clients/python.
func withPackage(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(os.Environ(), "PYTHONPATH=../clients/python", "PYTHONDONTWRITEBYTECODE=1")
	return cmd
}

// poison writes records that are no events, as somebody else might.
func (s *stage) poison(t *testing.T) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, value := range [][]byte{nil, []byte("{"), []byte("[]"), []byte(`{"type":3,"data":{}}`), []byte(`{"type":"lowcap.x.y.v1","data":{}}`),
		{0, 0, 0, 0, 7, 2}, bytes.Repeat([]byte("["), 50000)} {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "lowcap.control", Key: []byte("k"), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		s.foreign++
	}
}

var consumerKills = flag.Int("consumer-kills", 25, "how often programs in Python are killed")

// trickle publishes the events, a few at a time while the others are killed.
func (s *stage) trickle(t *testing.T, prefix string) {
	t.Helper()
	to, err := kafka.New(kafka.Config{Brokers: []string{s.kafka.Addr()}, TopicPrefix: prefix, Slot: strings.TrimSuffix(prefix, ".")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.keepForEver(t.Context(), to.Topics()), to.Resume(t.Context(), func(string, []byte) error { return nil })); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		pause := time.Duration(*consumerKills) * 600 * time.Millisecond / time.Duration(len(s.events))
		for i := range s.events {
			err = errors.Join(err, to.Commit(t.Context(), &cdc.Batch{Events: s.events[i : i+1]}))
			select {
			case <-t.Context().Done():
			case <-time.After(pause):
			}
		}
		done <- errors.Join(err, to.Close())
	}()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Errorf("publish: %v", err)
		}
	})
}

// killed runs two processes of a program in one group, kills them at random, kills times, and starts them again; then it
// lets them run until isDone.
func killed(t *testing.T, kills int, program func() *exec.Cmd, isDone func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	running := make([]*exec.Cmd, 2)
	var all sync.WaitGroup
	for i := range running {
		all.Go(func() {
			for ctx.Err() == nil {
				cmd := program()
				var said bytes.Buffer
				cmd.Stderr = &said
				mu.Lock()
				err := cmd.Start()
				running[i] = cmd
				mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				if err := cmd.Wait(); cmd.ProcessState.ExitCode() >= 0 && ctx.Err() == nil {
					t.Logf("it ended by itself: %v: %s", err, said.String())
				}
			}
		})
	}
	kill := func(i int) {
		mu.Lock()
		defer mu.Unlock()
		if running[i] != nil && running[i].Process != nil {
			running[i].Process.Kill() //nolint:errcheck // it may have ended
		}
	}
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)) // not a secret
	for range kills {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(300+random.IntN(900)) * time.Millisecond):
		}
		kill(random.IntN(2))
	}
	tick, deadline := time.NewTicker(100*time.Millisecond), time.After(5*time.Minute)
	defer tick.Stop()
	for done := false; !done; {
		select {
		case <-tick.C:
			done = isDone()
		case <-deadline:
			t.Error("it does not come to the end")
			done = true
		}
	}
	cancel()
	for i := range running {
		kill(i)
	}
	all.Wait()
}

// TestPythonPackageKilled: nothing is left out by a program of ten lines that is killed and rebalanced.
func TestPythonPackageKilled(t *testing.T) {
	s, interpreter := onStage(t), python(t, "python/requirements.txt")
	prefix := fmt.Sprintf("package%d.", time.Now().UnixNano())
	s.trickle(t, prefix)
	dir := t.TempDir()
	seen := func() int {
		ids := make(map[string]bool)
		files, _ := filepath.Glob(dir + "/*") //nolint:errcheck // the pattern is right
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(content)) {
				if strings.HasSuffix(line, "\n") {
					ids[line] = true
				}
			}
		}
		return len(ids)
	}
	killed(t, *consumerKills, func() *exec.Cmd {
		return withPackage(exec.Command(interpreter, "-c", `
import os, sys
from lowcap_cdc import alerts
with open(f"{sys.argv[3]}/{os.getpid()}", "a", buffering=1) as file:
    for event in alerts(sys.argv[1], prefix=sys.argv[2], group=sys.argv[2], severity="info", start="earliest", config={"session.timeout.ms": 6000}):
        print(event.id, file=file)
`, s.kafka.Addr(), prefix, dir))
	}, func() bool { return seen() >= len(s.events) })
	if n := seen(); n != len(s.events) {
		t.Errorf("%d events, want %d", n, len(s.events))
	}
}

// TestExactlyOnceIntoPostgres: through kills and rebalances the table holds each event once.
func TestExactlyOnceIntoPostgres(t *testing.T) {
	s, interpreter := onStage(t), python(t, "python/requirements.txt")
	prefix := fmt.Sprintf("once%d.", time.Now().UnixNano())
	s.trickle(t, prefix)
	server, err := lab.StartPostgres(t.Context(), "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // the test is over
	count := func(what string) (n int) {
		conn.QueryRow(t.Context(), "select count("+what+") from lowcap_events").Scan(&n) //nolint:errcheck // it may not be there yet
		return n
	}
	killed(t, *consumerKills, func() *exec.Cmd {
		return withPackage(exec.Command(interpreter, "python/exactly_once.py", s.kafka.Addr(), server.DSN("postgres"), prefix))
	}, func() bool { return count("distinct number") >= len(s.events) })
	if rows, distinct := count("*"), count("distinct id"); rows != len(s.events) || distinct != rows {
		t.Errorf("%d rows of %d events, want %d of each", rows, distinct, len(s.events))
	}
	for i := range s.events {
		var same bool
		err := conn.QueryRow(t.Context(), "select value = $2::jsonb from lowcap_events where id = $1", s.events[i].ID, string(s.events[i].Value)).Scan(&same)
		if err != nil || !same {
			t.Fatalf("event %s: %v", s.events[i].ID, err)
		}
	}
}
