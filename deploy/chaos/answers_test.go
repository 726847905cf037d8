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
	"github.com/twmb/franz-go/pkg/kversion"
)

// answers are the errors that the sidecar retries, that end a run, and that only an operator can repair; then errors that no
// broker gives to these requests, and that must do no harm either. Left out is DuplicateSequenceNumber, which means success.
var answers = []*kerr.Error{
	kerr.CorruptMessage, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition,
	kerr.RequestTimedOut, kerr.BrokerNotAvailable, kerr.ReplicaNotAvailable, kerr.NetworkException,
	kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.NotEnoughReplicas,
	kerr.NotEnoughReplicasAfterAppend, kerr.NotController, kerr.ConcurrentTransactions, kerr.KafkaStorageError,
	kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.UnknownServerError,
	kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch, kerr.InvalidTxnState, kerr.InvalidProducerIDMapping,
	kerr.UnknownProducerID, kerr.InvalidRecord, kerr.ProducerFenced,
	kerr.MessageTooLarge, kerr.IllegalGeneration, kerr.TopicAuthorizationFailed, kerr.UnsupportedSaslMechanism,
	kerr.IllegalSaslState, kerr.InvalidTransactionTimeout, kerr.TransactionalIDAuthorizationFailed,
	kerr.SaslAuthenticationFailed, kerr.DelegationTokenAuthorizationFailed, kerr.TransactionAbortable,
}

// noAnswer closes the connection instead of answering.
var noAnswer *kerr.Error

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
	t.Run("transactions of version 1", func(t *testing.T) {
		everyAnswer(t, []kmsg.Key{kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn}, kfake.MaxVersions(kversion.V3_9_0()))
	})
	t.Run("transactions of version 2", func(t *testing.T) {
		everyAnswer(t, []kmsg.Key{kmsg.Produce, kmsg.EndTxn})
	})
}

func everyAnswer(t *testing.T, keys []kmsg.Key, kind ...kfake.Opt) {
	t.Helper()
	cluster, err := kfake.NewCluster(append(kind, kfake.NumBrokers(1))...)
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
	for _, key := range keys {
		for _, answer := range append(answers, noAnswer) {
			disturbAnswer(t, w, v, cluster, key, answer)
		}
	}
	if v.writes, err = load.stop(); err != nil {
		t.Fatal(err)
	}
	judge(t, w, v)
}

// disturbAnswer replaces the answer to one request, and waits until events flow again.
func disturbAnswer(t *testing.T, w *world, v *verdict, cluster *kfake.Cluster, key kmsg.Key, answer *kerr.Error) {
	t.Helper()
	replaced := make(chan struct{})
	cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
		close(replaced)
		if answer == noAnswer {
			return nil, errors.New("no answer"), true
		}
		return refuse(request, answer.Code), nil, true
	})
	if key == kmsg.InitProducerID {
		if err := w.sidecar.signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	f := fault{name: key.Name() + " not answered"}
	if answer != noAnswer {
		f.name = fmt.Sprintf("%s answered with %s", key.Name(), answer.Message)
	}
	v.begin(f, 0, false)
	err := eventually(t.Context(), "wait for the request", func() error {
		select {
		case <-replaced:
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

// judge lets both streams catch up, and counts. Some answers are an operator's business, so exit code 3 is right here.
func judge(t *testing.T, w *world, v *verdict) {
	t.Helper()
	if err := w.catchUp(t.Context()); err != nil {
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
