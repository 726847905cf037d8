package pg

import (
	"context"
	"net"
	"testing"
	"time"
)

// slow is a connection whose writes return late, as they do on a machine that is busy: the server has answered by then.
type slow struct{ net.Conn }

// Write implements net.Conn.
func (s *slow) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	<-time.After(50 * time.Millisecond)
	return n, err
}

// TestWritesThatReturnLate: pgconn reads in the background while a write takes long, and may read on when it is through. That must not
// take the answer to what is asked on a connection that was taken over: the rows of a snapshot, and the beginning of the stream.
func TestWritesThatReturnLate(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(rowA)
	c := p.config
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &slow{conn}, err
	}
	to := newMemorySink()
	if err := p.runAs(c, to, ""); err != nil || to.since(0) != "entry_block.baseline" {
		t.Fatalf("%q, %v", to.since(0), err)
	}
	p.exec(clear)
	if err := p.runAs(c, to, ""); err != nil || to.since(1) != "entry_block.cleared" {
		t.Errorf("%q, %v", to.since(1), err)
	}
}
