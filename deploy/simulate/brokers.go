package simulate

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const brokerCount = 3

// brokers is the cluster: kfake, over listeners of the simulated network.
type brokers struct {
	cluster *kfake.Cluster
	net     *network
	count   int
}

func brokerAt(n int) string { return fmt.Sprintf("10.0.0.%d:9092", n+1) }

func newBrokers(n *network) (*brokers, error) {
	b := &brokers{net: n}
	var err error
	b.cluster, err = kfake.NewCluster(kfake.NumBrokers(brokerCount), kfake.ListenFn(b.listen))
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
