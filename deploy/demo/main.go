// Command demo shows the sidecar at work: a private Postgres, a broker, the recorded writes of the real source system at
// a pace one can read, a kill -9 half way, and the count at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lowcap-cdc/deploy/lab"
)

const (
	prefix = "lowcap."
	pace   = 180 * time.Millisecond // between two writes
)

func main() {
	binary := flag.String("binary", "bin/lowcap-cdc", "the sidecar")
	broker := flag.String("kafka", "fake", "fake: a broker inside the demo; real: Apache Kafka")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	clean, err := run(ctx, *binary, *broker)
	if errors.Is(ctx.Err(), context.Canceled) {
		fmt.Println("interrupted; everything is cleaned up")
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	if err != nil || !clean {
		os.Exit(1) // run has cleaned up
	}
}

func run(ctx context.Context, binary, broker string) (clean bool, err error) {
	say("starting Postgres and a %s Kafka broker", broker)
	pg, err := lab.StartPostgres(ctx, "fsync=off")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, pg.Close()) }()
	addr, closeBroker, err := startBroker(ctx, broker)
	if err != nil {
		return false, err
	}
	defer closeBroker()
	dir, err := os.MkdirTemp("", "lowcap-demo")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover costs only space
	source, err := pg.CreateSource(ctx, "trading")
	if err != nil {
		return false, err
	}
	defer source.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the server goes too
	reference := filepath.Join(dir, "reference")
	s := sidecar{binary: binary, dsn: pg.DSN("trading"), kafka: "kafka://" + addr}
	// The undisturbed run has its own slot from before the first write.
	if err := s.drain(ctx, "demo_reference", "file:"+reference); err != nil {
		return false, err
	}
	if err := s.start(ctx); err != nil {
		return false, err
	}
	defer s.kill()
	printed := make(chan error, 1)
	watch, stopWatch := context.WithCancel(ctx)
	defer stopWatch()
	go func() { printed <- printEvents(watch, addr) }()
	if err := s.disturb(ctx, source); err != nil {
		return false, err
	}
	s.kill()
	if err := s.drain(ctx, "demo", s.kafka); err != nil {
		return false, err
	}
	if err := s.drain(ctx, "demo_reference", "file:"+reference); err != nil {
		return false, err
	}
	stopWatch()
	if err := <-printed; err != nil && !errors.Is(err, context.Canceled) {
		return false, err
	}
	return verdict(ctx, addr, filepath.Join(reference, "events.jsonl"))
}

func say(format string, args ...any) { fmt.Printf("▸ "+format+"\n", args...) }

func startBroker(ctx context.Context, kind string) (addr string, closeBroker func(), err error) {
	if kind == "real" {
		k, err := lab.StartKafka(ctx)
		if err != nil {
			return "", nil, err
		}
		return k.Addr(), func() { k.Close() }, nil //nolint:errcheck // the demo is over
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return "", nil, err
	}
	return c.ListenAddrs()[0], c.Close, nil
}

// sidecar is the program under demonstration.
type sidecar struct {
	binary, dsn, kafka string
	process            *exec.Cmd
}

func (s *sidecar) command(ctx context.Context, slot, sink string, args ...string) *exec.Cmd {
	all := append([]string{"run", "--postgres", s.dsn, "--sink", sink, "--slot", slot, "--topic-prefix", prefix,
		"--log-level", "warn"}, args...)
	return exec.CommandContext(ctx, s.binary, all...)
}

func (s *sidecar) drain(ctx context.Context, slot, sink string) error {
	if out, err := s.command(ctx, slot, sink, "--until", "now").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// start begins with a run to now, so that topics and slot are there when it returns.
func (s *sidecar) start(ctx context.Context) error {
	if err := s.drain(ctx, "demo", s.kafka); err != nil {
		return err
	}
	return s.restart(ctx)
}

func (s *sidecar) restart(ctx context.Context) error {
	s.process = s.command(ctx, "demo", s.kafka, "--log-format", "console")
	s.process.Stderr = os.Stderr
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return s.process.Start()
}

// kill ends the sidecar as a crash does.
func (s *sidecar) kill() {
	if s.process != nil {
		s.process.Process.Kill() //nolint:errcheck // it may have ended
		s.process.Wait()         //nolint:errcheck // it was killed
		s.process = nil
	}
}

func color(code, text string) string {
	if os.Getenv("NO_COLOR") != "" || !isTerminal() {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func isTerminal() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func short(t string) string { return strings.TrimSuffix(strings.TrimPrefix(t, "lowcap."), ".v1") }
