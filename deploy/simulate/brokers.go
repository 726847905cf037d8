package simulate

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

const brokerCount = 3

// brokers is the cluster: kfake, over listeners of the simulated network.
type brokers struct {
	cluster *kfake.Cluster
	net     *network
	count   int
	serve   map[string]func(net.Conn) // by address

	coordinator *coordinator
}

func brokerAt(n int) string { return fmt.Sprintf("10.0.0.%d:9092", n+1) }

// newBrokers starts the cluster; an old one knows no transactions of version 2 (KIP-890).
func newBrokers(n *network, old bool) (*brokers, error) {
	b := &brokers{net: n, serve: make(map[string]func(net.Conn))}
	options := []kfake.Opt{kfake.NumBrokers(brokerCount), kfake.ListenFn(b.listen)}
	if old {
		options = append(options, kfake.MaxVersions(kversion.V3_9_0()))
	}
	var err error
	b.cluster, err = kfake.NewCluster(options...)
	if err != nil {
		return nil, err
	}
	b.coordinator = newCoordinator(b)
	n.tap = b.coordinator.tap
	return b, nil
}

// listen gives each broker its listener; the address that it asks for is one of a real network.
func (b *brokers) listen(string, string) (net.Listener, error) {
	l := &listener{at: brokerAt(b.count), conns: make(chan net.Conn, 16), closed: make(chan struct{})}
	b.count++
	b.serve[l.at] = func(c net.Conn) { l.conns <- c }
	b.net.listen(l.at, b.serve[l.at])
	b.net.listen(ownPath(l.at), b.serve[l.at])
	return l, nil
}

// up has a broker take connections.
func (b *brokers) up(at string) { b.net.listen(at, b.serve[at]) }

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
