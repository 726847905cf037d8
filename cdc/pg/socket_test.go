package pg

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// connected returns both ends of a TCP connection, the reading one as a socket.
func connected(t *testing.T) (*socket, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // the test is over
	to, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	from, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close(); from.Close() }) //nolint:errcheck // the test is over
	s := newSocket(from)
	s.gathers = true
	return s, to
}

// busy has the other end send small pieces until the socket counts as busy, and returns the bytes that were read.
func busy(t *testing.T, s *socket, to net.Conn, pieces int) (read int) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		for range pieces {
			if _, err := to.Write(make([]byte, 200)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	wasBusy := false
	buffer := make([]byte, 64<<10)
	for read < pieces*200 {
		n, err := s.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		read += n
		wasBusy = wasBusy || s.busy
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if !wasBusy {
		t.Error("the socket was never busy")
	}
	return read
}

// TestSocketAfterARush: when the rush is over, a single byte must not wait for others.
func TestSocketAfterARush(t *testing.T) {
	s, to := connected(t)
	if err := s.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := busy(t, s, to, 50000); got != 50000*200 {
			t.Errorf("%d bytes read", got)
		}
		time.AfterFunc(20*time.Millisecond, func() { to.Write([]byte{7}) }) //nolint:errcheck // the read tells
		var one [10]byte
		if n, err := s.Read(one[:]); n != 1 || one[0] != 7 || err != nil {
			t.Fatalf("read %d bytes, %v", n, err)
		}
	}
	to.Close() //nolint:errcheck // the read tells
	if n, err := s.Read(make([]byte, 10)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes, %v at the end", n, err)
	}
}

// TestBusySocketKeepsDeadlines: the read deadline is the clock of status updates, also while rows rush in.
func TestBusySocketKeepsDeadlines(t *testing.T) {
	s, to := connected(t)
	busy(t, s, to, 50000)
	s.wakeAt(lowWater)
	if err := s.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}
