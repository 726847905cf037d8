package simulate

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const brokerCount = 3

// brokers is the cluster: kfake, over listeners of the simulated network.
type brokers struct {
	cluster *kfake.Cluster
	net     *network
	count   int
}

func brokerAt(n int) string { return fmt.Sprintf("10.0.0.%d:9092", n+1) }

// newBrokers starts the cluster; an old one knows no transactions of version 2 (KIP-890).
func newBrokers(n *network, old bool) (*brokers, error) {
	b := &brokers{net: n}
	options := []kfake.Opt{kfake.NumBrokers(brokerCount), kfake.ListenFn(b.listen)}
	if old {
		options = append(options, kfake.MaxVersions(kversion.V3_9_0()))
	}
	var err error
	b.cluster, err = kfake.NewCluster(options...)
	if err != nil {
		return nil, err
	}
	e := &epochs{of: make(map[int64]epoch)}
	n.tap = e.tap
	b.cluster.ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		return e.control(r)
	})
	return b, nil
}

// listen gives each broker its listener; the address that it asks for is one of a real network.
func (b *brokers) listen(string, string) (net.Listener, error) {
	l := &listener{at: brokerAt(b.count), conns: make(chan net.Conn, 16), closed: make(chan struct{})}
	b.count++
	b.net.listen(l.at, func(c net.Conn) { l.conns <- c })
	return l, nil
}

// listener is a net.Listener of the simulated network.
type listener struct {
	at     string
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, errors.New("closed")
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return address(l.at) }

// takeTime closes another gap of kfake, whose transactions end at once: behind each EndTxn, for a while that its name draws, the
// coordinator answers CONCURRENT_TRANSACTIONS to what comes next from that producer.
func (b *brokers) takeTime(n *network) {
	busy, ends := make(map[int64]time.Time), 0
	isBusy := func(id int64) bool { return time.Now().Before(busy[id]) }
	b.cluster.ControlKey(int16(kmsg.EndTxn), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		r := request.(*kmsg.EndTxnRequest)
		if isBusy(r.ProducerID) {
			response := r.ResponseKind().(*kmsg.EndTxnResponse)
			response.ErrorCode = kerr.ConcurrentTransactions.Code
			return response, nil, true
		}
		ends++
		busy[r.ProducerID] = time.Now().Add(time.Duration(n.draw(fmt.Sprint("end ", ends)).IntN(200)) * time.Millisecond)
		return nil, nil, false
	})
	b.cluster.ControlKey(int16(kmsg.AddPartitionsToTxn), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		r := request.(*kmsg.AddPartitionsToTxnRequest)
		if !isBusy(r.ProducerID) {
			return nil, nil, false
		}
		response := r.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
		for _, t := range r.Topics {
			refused := kmsg.AddPartitionsToTxnResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				refused.Partitions = append(refused.Partitions,
					kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: p, ErrorCode: kerr.ConcurrentTransactions.Code})
			}
			response.Topics = append(response.Topics, refused)
		}
		return response, nil, true
	})
}
