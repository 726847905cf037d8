package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The answers that the sidecar knows as retriable, as fatal to a run, and as an operator's business; and 46, which is
// success. Of what a broker never says to a request no harm may come either.
var answers = []int16{2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 74, 75, -1, //nolint:gochecknoglobals // a table
	45, 47, 48, 49, 59, 87, 90, 10, 22, 29, 33, 34, 50, 53, 58, 65}

// refuse answers a request with an error code, nil when the request is of another kind.
func refuse(request kmsg.Request, code int16) kmsg.Response {
	response := request.ResponseKind()
	switch r := request.(type) {
	case *kmsg.InitProducerIDRequest:
		refused := response.(*kmsg.InitProducerIDResponse)
		refused.ErrorCode, refused.ProducerID, refused.ProducerEpoch = code, -1, -1
	case *kmsg.EndTxnRequest:
		response.(*kmsg.EndTxnResponse).ErrorCode = code
	case *kmsg.AddPartitionsToTxnRequest:
		for _, t := range r.Topics {
			refused := kmsg.AddPartitionsToTxnResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				refused.Partitions = append(refused.Partitions, kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: p, ErrorCode: code})
			}
			all := response.(*kmsg.AddPartitionsToTxnResponse)
			all.Topics = append(all.Topics, refused)
		}
	case *kmsg.ProduceRequest:
		for _, t := range r.Topics {
			refused := kmsg.ProduceResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				refused.Partitions = append(refused.Partitions, kmsg.ProduceResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
			}
			all := response.(*kmsg.ProduceResponse)
			all.Topics = append(all.Topics, refused)
		}
	default:
		return nil
	}
	return response
}

// TestEveryAnswer has a broker answer each request of a transaction once with each error code, and once not at all.
func TestEveryAnswer(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	o := options{seed: 7, rate: 60, brokers: 1, binary: build(t), out: t.Output()}
	w, err := newWorldWith(t.Context(), o, func(w *world, _ context.Context) error {
		w.brokers, w.sink = cluster.ListenAddrs(), "kafka://"+cluster.ListenAddrs()[0]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close() //nolint:errcheck // the test is over
	load, err := startLoad(t.Context(), w, writers)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerdict(o)
	v.broker = "kfake"
	for _, key := range []kmsg.Key{kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn} {
		for _, code := range answers {
			disturbAnswer(t, w, v, cluster, key, code)
		}
		disturbAnswer(t, w, v, cluster, key, 0)
	}
	if v.writes, err = load.stop(); err != nil {
		t.Fatal(err)
	}
	judge(t, w, v)
}

// disturbAnswer spoils one answer, 0 by closing the connection, and waits until events flow again.
func disturbAnswer(t *testing.T, w *world, v *verdict, cluster *kfake.Cluster, key kmsg.Key, code int16) {
	t.Helper()
	spoiled := make(chan struct{})
	cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
		close(spoiled)
		if code == 0 {
			return nil, errors.New("no answer"), true
		}
		return refuse(request, code), nil, true
	})
	if key == kmsg.InitProducerID {
		if err := w.sidecar.signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	f := fault{name: fmt.Sprintf("%s answered with %d %v", key.Name(), code, kerr.ErrorForCode(code))}
	v.begin(f, 0, false)
	err := eventually(t.Context(), "wait for the request", func() error {
		select {
		case <-spoiled:
			return nil
		default:
			return errors.New("it was not sent")
		}
	})
	if err != nil {
		t.Fatalf("%s: %v", f.name, err)
	}
	took, err := w.recovered(t.Context())
	if err != nil {
		t.Fatalf("after %s: %v: see %s", f.name, err, filepath.Join(w.dir, "sidecar.log"))
	}
	v.recovered(f, took)
}

// judge settles and counts. Some answers are an operator's business, so exit code 3 is right here.
func judge(t *testing.T, w *world, v *verdict) {
	t.Helper()
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := v.count(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	delete(v.exits, 3)
	v.stall = w.tail.longestStall()
	v.print(t.Output())
	if !v.clean() {
		t.Fatalf("not clean: %v", w.keep())
	}
}
