package page

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// limits bound what visitors can take: memory, connections and time.
type limits struct {
	conns   int           // connections at one moment
	streams int           // pages that listen
	header  time.Duration // until a request's header is here
	request time.Duration // until all of a request is read, and until all of an answer is
	idle    time.Duration // between two requests
	stream  time.Duration // until the page has to come back
	write   time.Duration // for one message of a stream
	socket  int           // bytes that the kernel holds for a visitor who does not read
}

// inProduction are the limits of a running instance. A visitor who does not read is gone after stream and write together,
// which is less than a minute.
var inProduction = limits{
	conns: 256, streams: 64, header: 10 * time.Second, request: 45 * time.Second, idle: 90 * time.Second,
	stream: 40 * time.Second, write: 10 * time.Second, socket: 64 << 10,
}

// mostHeader bounds a request's header, in bytes.
const mostHeader = 16 << 10

func (l limits) server(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: l.header, ReadTimeout: l.request, WriteTimeout: l.request,
		IdleTimeout: l.idle, MaxHeaderBytes: mostHeader}
}

// listener returns a listener with at most l.conns connections. Where there are as many, a new one takes the place of the
// oldest, so that strangers who keep theirs cannot keep a kubelet or an operator out.
func (l limits) listener(inner net.Listener) net.Listener { return &crowd{Listener: inner, limits: l} }

// crowd is a listener and the connections that it has accepted, the oldest first.
type crowd struct {
	net.Listener
	limits limits

	mu    sync.Mutex
	conns []*visitor
}

// visitor is a connection that leaves the crowd when it is closed.
type visitor struct {
	net.Conn
	crowd *crowd
}

func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetWriteBuffer(c.limits.socket) //nolint:errcheck // the kernel's own size does as well
	}
	v := &visitor{conn, c}
	c.mu.Lock()
	c.conns = append(c.conns, v)
	var oldest *visitor
	if len(c.conns) > c.limits.conns {
		oldest = c.conns[0]
	}
	c.mu.Unlock()
	if oldest != nil {
		oldest.Close() //nolint:errcheck // its time is over
	}
	return v, nil
}

// Close also ends what the server still does for the visitor.
func (v *visitor) Close() error {
	v.crowd.leave(v)
	return v.Conn.Close()
}

func (c *crowd) leave(v *visitor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.conns {
		if other == v {
			c.conns = append(c.conns[:i], c.conns[i+1:]...)
			return
		}
	}
}
