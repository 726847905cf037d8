package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/crc64"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/deploy/lab"
)

// verify counts what a run published. Of the sidecar's events none may be missing, doubled or out of order; a rival's
// records are only counted.
func (l *lane) verify(ctx context.Context, r *result) error {
	switch {
	case l.isLimit():
		return nil
	case l.kind == "file":
		if err := l.readFile(r); err != nil {
			return err
		}
	default:
		if err := l.readKafka(ctx, r); err != nil {
			return err
		}
	}
	if l.isOurs() && r.Events != r.Expected {
		return fmt.Errorf("%s published %d events, the backlog is %d", l.slot, r.Events, r.Expected)
	}
	return nil
}

func (l *lane) readFile(r *result) error {
	file, err := os.Open(filepath.Join(l.dir(), "events.jsonl"))
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	var order ordered
	for lines.Scan() {
		if err := r.count(lines.Bytes(), &order); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (l *lane) readKafka(ctx context.Context, r *result) error {
	topics, err := l.topics(ctx)
	if err != nil || len(topics) == 0 {
		return err
	}
	type partition struct {
		topic string
		id    int32
	}
	orders := make(map[partition]*ordered)
	var wrong error
	err = lab.EachCommitted(ctx, l.servers.kafka.Addr(), func(record *kgo.Record) {
		if !l.isOurs() {
			r.Events++
			return
		}
		at := partition{record.Topic, record.Partition}
		if orders[at] == nil {
			orders[at] = &ordered{}
		}
		if err := r.count(record.Value, orders[at]); err != nil {
			wrong = err
		}
	}, topics...)
	if wrong != nil {
		return wrong
	}
	return err
}

// ordered remembers the last sequence that was read.
type ordered struct{ last []byte }

var polynomial = crc64.MakeTable(crc64.ECMA)

// count adds an event. The digest is a sum, so that it does not depend on the partitions.
func (r *result) count(event []byte, order *ordered) error {
	_, rest, ok := bytes.Cut(event, []byte(`"sequence":"`))
	if !ok || len(rest) < 32 {
		return fmt.Errorf("event without a sequence: %.200s", event)
	}
	sequence := rest[:32]
	if bytes.Compare(sequence, order.last) <= 0 {
		return fmt.Errorf("event %s comes after %s", sequence, order.last)
	}
	order.last = append(order.last[:0], sequence...)
	comparable, ok := lab.Comparable(event)
	if !ok {
		return nil
	}
	r.Events++
	r.EventBytes += int64(len(event))
	r.digest += crc64.Checksum(comparable, polynomial)
	return nil
}
