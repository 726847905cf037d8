package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed" // the producer in Java
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The bare producers are the limit of latency: whoever writes the rows tells them what was committed, and they write a
// record of the size of an event and one of the size of its state for each row, all that has come in one transaction. They read
// no WAL and know no event.
const (
	bareFranz = "bare-franz-go"
	bareJava  = "bare-java"

	bareEventBytes = 1200 // of a block's event, as the sidecar writes it
	bareStateBytes = 200  // of a block's state
	bareQueue      = 1 << 14
	barePartitions = 3
	bareMost       = 5000 // rows of one transaction
	bareLastWords  = 250  // bytes of its log, when it fails
)

// client returns what a client of the lane's broker needs.
func (l *lane) client() []kgo.Opt {
	if !l.tls {
		return []kgo.Opt{kgo.SeedBrokers(l.servers.kafka.Addr())}
	}
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(l.servers.kafka.Certificates().CA); err == nil {
		roots.AppendCertsFromPEM(pem)
	}
	return []kgo.Opt{kgo.SeedBrokers(l.servers.kafka.TLS()), kgo.DialTLSConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})}
}

func (l *lane) bareTopics(ctx context.Context) (events, state string, err error) {
	events, state = l.prefix()+"events", l.prefix()+"cdc-state"
	client, err := kgo.NewClient(kgo.SeedBrokers(l.servers.kafka.Addr()))
	if err != nil {
		return "", "", err
	}
	defer client.Close()
	compact := "compact"
	_, errEvents := kadm.NewClient(client).CreateTopic(ctx, barePartitions, 1, nil, events)
	_, errState := kadm.NewClient(client).CreateTopic(ctx, 1, 1, map[string]*string{"cleanup.policy": &compact}, state)
	return events, state, errors.Join(errEvents, errState)
}

// change is what was committed together.
type change struct {
	at   time.Time
	rows int
}

// bareFranz starts a bare producer in this program.
func (l *lane) bareFranz(ctx context.Context) (*publisher, error) {
	events, state, err := l.bareTopics(ctx)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(l.client(), kgo.TransactionalID(l.slot), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(4*bareMost))...)
	if err != nil {
		return nil, err
	}
	b := &franz{client: client, events: events, state: state, changes: make(chan change, bareQueue)}
	var ended sync.WaitGroup
	var failed error
	ended.Go(func() { failed = b.run(ctx) })
	return &publisher{committed: func(at time.Time, rows int) { b.changes <- change{at, rows} }, stop: func() error {
		close(b.changes)
		ended.Wait()
		client.Close()
		return failed
	}}, nil
}

type franz struct {
	client        *kgo.Client
	events, state string
	changes       chan change
	key           int
}

// run commits what has come, again and again. After an error it takes what comes and does nothing with it.
func (b *franz) run(ctx context.Context) error {
	var failed error
	for first := range b.changes {
		if failed == nil {
			failed = b.commit(ctx, first)
		}
	}
	return failed
}

func (b *franz) commit(ctx context.Context, c change) error {
	if err := b.client.BeginTransaction(); err != nil {
		return err
	}
	promise := kgo.AbortingFirstErrPromise(b.client)
	for rows := 0; ; {
		b.produce(ctx, c, promise)
		if rows += c.rows; rows >= bareMost {
			break
		}
		select {
		case next, ok := <-b.changes:
			if ok {
				c = next
				continue
			}
		default:
		}
		break
	}
	if err := promise.Err(); err != nil {
		return err
	}
	return b.client.EndTransaction(ctx, kgo.TryCommit)
}

func (b *franz) produce(ctx context.Context, c change, promise *kgo.FirstErrPromise) {
	headers := []kgo.RecordHeader{{Key: "ce_time", Value: []byte(c.at.UTC().Format(time.RFC3339Nano))}}
	for range c.rows {
		b.key = (b.key + 1) % 4000
		key := []byte(strconv.Itoa(b.key))
		b.client.Produce(ctx, &kgo.Record{Topic: b.events, Key: key, Value: bareEvent, Headers: headers}, promise.Promise())
		b.client.Produce(ctx, &kgo.Record{Topic: b.state, Key: key, Value: bareEvent[:bareStateBytes]}, promise.Promise())
	}
}

var bareEvent = []byte(strings.Repeat("event of the size that the sidecar's have; ", 1+bareEventBytes/43))[:bareEventBytes]

//go:embed Bare.java
var bareProducer []byte

// bareJava starts a bare producer on Kafka's own client, in a process of its own, and tells it by its standard input.
func (l *lane) bareJava(ctx context.Context) (*publisher, error) {
	events, state, err := l.bareTopics(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.dir(), 0o755); err != nil {
		return nil, err
	}
	source := filepath.Join(l.dir(), "Bare.java")
	if err := os.WriteFile(source, bareProducer, 0o600); err != nil {
		return nil, err
	}
	args := []string{l.servers.kafka.Addr(), l.slot, events, state, strconv.Itoa(bareEventBytes), strconv.Itoa(bareStateBytes)}
	if l.tls {
		args[0] = l.servers.kafka.TLS()
		args = append(args, l.servers.kafka.Certificates().CA)
	}
	cmd := l.servers.kafka.Program(ctx, source, args...)
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := startBound(cmd); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	lines := bufio.NewWriter(in)
	return &publisher{pid: cmd.Process.Pid, committed: func(at time.Time, rows int) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(lines, "%s %d\n", at.UTC().Format(time.RFC3339Nano), rows)
		lines.Flush() //nolint:errcheck // what does not arrive is missed by the reader
	}, stop: func() error {
		in.Close()                                                               //nolint:errcheck // it then ends
		if err := stopped(cmd); err != nil && cmd.ProcessState.ExitCode() == 1 { // one that was told to end says 143
			said := bytes.TrimSpace(log.Bytes())
			return fmt.Errorf("%w: …%s", err, said[max(0, len(said)-bareLastWords):])
		}
		return nil
	}}, nil
}
