package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaVersion is the broker that tests run against unless LOWCAP_CDC_KAFKA_VERSION names another.
const KafkaVersion = "4.1.1"

// Kafka is a private broker: Apache Kafka in KRaft mode, broker and controller in one.
type Kafka struct {
	port, controller int
	secured          *secured // nil without
	version          string   // empty for the one that the environment names, or KafkaVersion
	cluster          string   // its id; empty for the usual one
	dir, jars        string
	jvm              []string // options of the Java process; those that start fast when nil
	overrides        []string // lines of server.properties that come after the lab's own
	process          *exec.Cmd
}

// startWithin bounds a start; a busy machine takes longest for one after a kill.
const startWithin = 3 * time.Minute

// startsFast are the options of a broker that a test starts: it lives for minutes, and shares two cores.
func startsFast(heap string) []string {
	return []string{"-Xms256m", "-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
}

// StartKafka starts a broker for tests and waits until it answers. The lines of its server.properties that are given come
// after the lab's own; of a key that is there twice the last one counts.
func StartKafka(ctx context.Context, properties ...string) (*Kafka, error) {
	return startKafka(ctx, &Kafka{overrides: properties})
}

// StartKafkaOf starts a broker of a version, whatever the environment asks for. The properties are as in StartKafka.
func StartKafkaOf(ctx context.Context, version string, properties ...string) (*Kafka, error) {
	return startKafka(ctx, &Kafka{version: version, overrides: properties})
}

// KeepsAll is a line of server.properties for tests whose records are older than a week by their own time: thirty seconds after its
// start a broker begins to remove what is older than it keeps.
const KeepsAll = "log.retention.ms=-1"

// StartAnotherKafka starts a broker of another cluster than the lab's usual one.
func StartAnotherKafka(ctx context.Context) (*Kafka, error) {
	return startKafka(ctx, &Kafka{cluster: "AAAAAAAAAAAAAAAAAAAAAQ"})
}

func startKafka(ctx context.Context, k *Kafka) (*Kafka, error) {
	if err := k.place(ctx); err != nil {
		return nil, err
	}
	args := []string{"--standalone"}
	if k.secured != nil {
		args = append(args, k.secured.credentials()...)
	}
	if err := k.format(ctx, args...); err != nil {
		return nil, err
	}
	return k, k.Start(ctx)
}

// place finds the broker its programs, a directory, ports and certificates.
func (k *Kafka) place(ctx context.Context) (err error) {
	if k.version != "" {
		k.jars, err = kafkaJarsOf(ctx, k.version)
	} else {
		k.jars, err = kafkaJars(ctx)
	}
	if err != nil {
		return err
	}
	if k.dir, err = os.MkdirTemp("", "lowcap-kafka"); err != nil {
		return err
	}
	if k.port, err = FreePort(); err != nil {
		return err
	}
	if k.controller, err = FreePort(); err != nil || k.secured == nil {
		return err
	}
	if k.secured.certificates, err = makeCertificates(k.dir); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	return nil
}

// format writes the configuration and formats the storage.
func (k *Kafka) format(ctx context.Context, args ...string) error {
	if err := os.WriteFile(k.properties(), []byte(k.configuration()), 0o600); err != nil {
		return err
	}
	format := k.java(ctx, "kafka.tools.StorageTool", k.formatting(args...)...)
	if out, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("format Kafka storage: %w: %s", err, out)
	}
	return nil
}

// formatting returns the arguments that format the storage.
func (k *Kafka) formatting(args ...string) []string {
	return append([]string{"format", "-t", cmp.Or(k.cluster, "MkU3OEVBNTcwNTJENDM2Qg"), "-c", k.properties()}, args...)
}

func (k *Kafka) properties() string { return filepath.Join(k.dir, "server.properties") }

func (k *Kafka) configuration() string {
	lines := []string{
		"process.roles=broker,controller", "node.id=1", "controller.listener.names=CONTROLLER",
		"log.dirs=" + filepath.Join(k.dir, "log"), "auto.create.topics.enable=false",
		fmt.Sprintf("controller.quorum.bootstrap.servers=127.0.0.1:%d", k.controller),
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", k.port, k.controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", k.port, k.controller),
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", "inter.broker.listener.name=PLAINTEXT",
		"offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1", "transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1", "transaction.state.log.num.partitions=1", "group.initial.rebalance.delay.ms=0",
		"log.cleaner.dedupe.buffer.size=2000000",
	}
	if k.secured != nil {
		lines = append(lines, k.securedProperties()...)
	}
	lines = append(lines, k.overrides...)
	return strings.Join(lines, "\n") + "\n"
}

func (k *Kafka) java(ctx context.Context, class string, args ...string) *exec.Cmd {
	options := k.jvm
	if options == nil {
		options = startsFast("512m")
	}
	return exec.CommandContext(ctx, "java", slices.Concat(options, []string{"-cp", filepath.Join(k.jars, "*"), class}, args)...)
}

// Start starts the broker again after Stop or Kill, on the same port with the same data.
func (k *Kafka) Start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(k.dir, "broker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the broker has its own descriptor
	k.process = k.java(context.WithoutCancel(ctx), "kafka.Kafka", k.properties())
	k.process.Stdout, k.process.Stderr = log, log
	k.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true} // Ctrl-C is for who has started it
	if err := k.process.Start(); err != nil {
		return fmt.Errorf("start Kafka: %w", err)
	}
	return k.waitReady(ctx)
}

func (k *Kafka) waitReady(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		if err = client.Ping(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			tail, _ := os.ReadFile(filepath.Join(k.dir, "broker.log"))
			return fmt.Errorf("kafka did not start: %w: %s", err, tail[max(0, len(tail)-2000):])
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Addr returns the broker's host:port.
func (k *Kafka) Addr() string { return fmt.Sprintf("127.0.0.1:%d", k.port) }

// PID returns the id of the broker's process.
func (k *Kafka) PID() int { return k.process.Process.Pid }

// Kill kills the broker as a crash does.
func (k *Kafka) Kill() error { return k.signal(syscall.SIGKILL) }

// Stop stops the broker in order.
func (k *Kafka) Stop() error { return k.signal(syscall.SIGTERM) }

// Pause makes the broker hang: its connections stay open and nothing is answered, until Continue.
func (k *Kafka) Pause() error { return k.process.Process.Signal(syscall.SIGSTOP) }

// Continue ends Pause.
func (k *Kafka) Continue() error { return k.process.Process.Signal(syscall.SIGCONT) }

// signal ends the broker.
func (k *Kafka) signal(s syscall.Signal) error {
	if err := k.process.Process.Signal(s); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := k.process.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// Close kills the broker and removes its data.
func (k *Kafka) Close() error {
	return errors.Join(k.Kill(), os.RemoveAll(k.dir))
}
