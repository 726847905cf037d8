package simulate

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// direction is which way bytes go on a connection.
type direction int

const (
	up   direction = iota // from the one that has dialled
	down                  // to it
)

func (d direction) String() string { return [...]string{"→", "←"}[d] }

// end is one end of a connection. Its bytes travel as parcels, when the simulator lets them. Like a socket with a large
// buffer it never makes a writer wait.
type end struct {
	net      *network
	link     *link
	writes   direction
	in       []byte
	failed   error         // of the next read, behind in
	refused  error         // of the next write
	wake     chan struct{} // tells the one that waits in Read to look again
	deadline time.Time     // of reads
	timer    *time.Timer   // of the deadline
	partial  []byte        // of a Kafka message that is not whole yet
}

func newEnd(n *network, l *link, writes direction) *end {
	return &end{net: n, link: l, writes: writes, wake: make(chan struct{}, 1)}
}

// Read implements net.Conn.
func (e *end) Read(p []byte) (int, error) {
	for {
		n, wait, err := e.take(p)
		if n > 0 || err != nil {
			return n, err
		}
		if wait == 0 {
			<-e.wake
			continue
		}
		if e.timer == nil {
			e.timer = time.NewTimer(wait)
		} else {
			e.timer.Reset(wait)
		}
		select {
		case <-e.wake:
		case <-e.timer.C:
		}
		e.timer.Stop()
	}
}

// take returns what is there, or how long to wait for it at most; 0 is for ever.
func (e *end) take(p []byte) (n int, wait time.Duration, err error) {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if len(e.in) > 0 && !isPast(e.deadline) {
		n = copy(p, e.in)
		if e.in = e.in[n:]; len(e.in) == 0 {
			e.in = nil
		}
		return n, 0, nil
	}
	switch {
	case e.failed != nil && len(e.in) == 0:
		return 0, 0, e.failed
	case isPast(e.deadline):
		return 0, 0, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
	case !e.deadline.IsZero():
		wait = time.Until(e.deadline)
	}
	return 0, wait, nil
}

func isPast(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// Write implements net.Conn.
func (e *end) Write(p []byte) (int, error) {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if e.refused != nil {
		return 0, e.refused
	}
	if !e.link.isKafka && len(p) > 0 {
		e.link.send(e.writes, slices.Clone(p))
		return len(p), nil
	}
	e.partial = append(e.partial, p...)
	for len(e.partial) >= 4 {
		size := 4 + int(binary.BigEndian.Uint32(e.partial))
		if len(e.partial) < size {
			break
		}
		e.link.send(e.writes, slices.Clone(e.partial[:size]))
		e.partial = e.partial[size:]
	}
	return len(p), nil
}

// Close implements net.Conn.
func (e *end) Close() error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if !errors.Is(e.refused, net.ErrClosed) {
		if e.refused == nil {
			e.link.send(e.writes, nil)
		}
		e.fail(net.ErrClosed, net.ErrClosed)
		e.in = nil
	}
	return nil
}

// fail makes reads and writes fail; the lock is held.
func (e *end) fail(reads, writes error) {
	e.failed, e.refused = reads, writes
	e.stir()
}

// stir makes whoever waits in Read look again; the lock is held.
func (e *end) stir() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// SetReadDeadline implements net.Conn.
func (e *end) SetReadDeadline(t time.Time) error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if errors.Is(e.failed, net.ErrClosed) {
		return net.ErrClosed
	}
	e.deadline = t
	e.stir()
	return nil
}

// SetDeadline implements net.Conn.
func (e *end) SetDeadline(t time.Time) error { return e.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn: no write waits.
func (e *end) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr implements net.Conn.
func (e *end) LocalAddr() net.Addr { return address(e.link.client) }

// RemoteAddr implements net.Conn.
func (e *end) RemoteAddr() net.Addr { return address(e.link.server) }

// address is a name that stands for an address.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

var (
	errReset  = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	errBroken = &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	errNobody = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	errEnded  = io.EOF
)
