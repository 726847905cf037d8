package pg

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// gatherFor is how long data may gather in the kernel before a busy connection is read again.
	gatherFor = 2 * time.Millisecond
	// gatherNearFor is the same inside one machine, where at least muchGathered bytes come between two looks: a backlog does that.
	gatherNearFor = 5 * time.Millisecond
	muchGathered  = 32 << 10
	// nearBuffer is the receive buffer of a connection inside one machine, in bytes. There the sender's core does the receiver's
	// work too, for each row that it sends. While this buffer is full rows wait in the sender, and come together when the reader looks:
	// that costs the sender half. From another machine it would be too little.
	nearBuffer = 64 << 10
	// promptReads is how many reads follow each other at once before a connection counts as busy.
	promptReads = 8
	// lowWater is how many bytes must have gathered before the kernel wakes a busy connection's reader: more than come
	// in gatherFor.
	lowWater = 1 << 20
)

// socket reads a replication connection. The server sends every row by itself, and each wakes the reader, which costs
// both more than the row does. So while rows come one on the heels of the other the socket does not ask to be woken: it
// looks every two milliseconds, or every five. After a pause the next row is read at once again.
//
// It lies right on the connection, below TLS where there is any: see records.
type socket struct {
	net.Conn
	raw     syscall.RawConn // nil where the bytes do not come straight from TCP
	gathers bool            // since the stream has started; before, nothing comes that was not asked for
	prompt  int             // reads that may still follow at once
	busy    bool
	near    bool // the other end is on this machine
	much    bool // the last look found much
	full    bool // the last read left something behind

	piece  []byte // what was read for TLS, which asks for little at a time; nil without TLS
	unread []byte // the end of it
	still  bool   // what is not there yet is not waited for
}

// gathering has a connection be made on sockets.
func gathering(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newSocket(conn), nil
	}
}

func newSocket(conn net.Conn) *socket {
	s := &socket{Conn: conn, prompt: promptReads}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			s.raw = raw
		}
		if to, ok := tcp.RemoteAddr().(*net.TCPAddr); ok && to.IP.IsLoopback() {
			s.near = tcp.SetReadBuffer(nearBuffer) == nil
		}
	}
	return s
}

// Read implements io.Reader.
func (s *socket) Read(p []byte) (int, error) {
	if !s.gathers {
		return s.Conn.Read(p)
	}
	if s.piece == nil {
		return s.gather(p)
	}
	if len(s.unread) == 0 {
		if s.still {
			return 0, os.ErrDeadlineExceeded
		}
		n, err := s.gather(s.piece)
		if s.unread = s.piece[:n]; n == 0 {
			return 0, err
		}
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

// gather reads what has come.
func (s *socket) gather(p []byte) (int, error) {
	if s.busy && !s.full {
		time.Sleep(s.pause())
	}
	if s.busy && s.raw != nil {
		n, err := s.look(p)
		if !errors.Is(err, syscall.EAGAIN) {
			s.full, s.much = n == len(p), n >= muchGathered
			return n, err
		}
		s.wakeAt(1) // nothing came: wait for it
	}
	start := time.Now()
	n, err := s.Conn.Read(p)
	s.judge(n == len(p), time.Since(start))
	return n, err
}

// pause returns how long a busy connection is left alone.
func (s *socket) pause() time.Duration {
	if s.near && s.much {
		return gatherNearFor
	}
	return gatherFor
}

// look reads what is there and does not wait. What waits in a sender of the same machine comes while it reads.
func (s *socket) look(p []byte) (n int, err error) {
	failed := s.raw.Read(func(fd uintptr) bool {
		for more := 1; more > 0 && n < len(p); n += max(more, 0) {
			more, err = syscall.Read(int(fd), p[n:])
		}
		return true
	})
	switch {
	case n > 0:
		return n, nil // an error that counts comes again
	case failed != nil:
		return 0, failed
	case err != nil:
		return 0, err
	}
	return 0, io.EOF
}

// judge decides after a read that could wait whether the connection is busy.
func (s *socket) judge(full bool, waited time.Duration) {
	if s.full = full; waited > gatherFor {
		s.prompt = promptReads
	} else if s.prompt > 0 {
		s.prompt--
	}
	if busy := s.prompt == 0; busy {
		s.wakeAt(lowWater)
	} else {
		s.busy = false
	}
}

// wakeAt has the kernel wake the reader when that many bytes are there.
func (s *socket) wakeAt(bytes int) {
	s.busy = bytes > 1
	if s.raw != nil {
		s.raw.Control(func(fd uintptr) { //nolint:errcheck // without it reading only costs more
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes) //nolint:errcheck // as above
		})
	}
}
