package pg

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// held is a connection whose writer holds back the last bytes of what is written, until they are released.
type held struct {
	net.Conn
	hold int // bytes; 0 is none
	rest []byte
}

func (h *held) Write(p []byte) (int, error) {
	keep := min(h.hold, len(p))
	h.rest = append(h.rest, p[len(p)-keep:]...)
	if _, err := h.Conn.Write(p[:len(p)-keep]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// secured returns both ends of a connection under TLS: what the stream would be read from, and the server's end.
func secured(t *testing.T) (from io.Reader, client *tls.Conn, to *tls.Conn, below *held) {
	t.Helper()
	s, raw := connected(t)
	s.gathers = false
	below = &held{Conn: raw}
	own, _ := selfSigned(t, "127.0.0.1", time.Now().Add(time.Hour))
	to = tls.Server(below, &tls.Config{Certificates: []tls.Certificate{own}})
	client = tls.Client(s, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- to.Handshake() }()
	if err := errors.Join(client.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	if err := client.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return gatherStream(client), client, to, below
}

// TestRecordsAreReadTogether: a rush of small records is read by few reads, whole and in order, and what comes after a pause
// does not wait for more.
func TestRecordsAreReadTogether(t *testing.T) {
	const pieces, size = 50000, 200
	from, _, to, _ := secured(t)
	for round := range 2 {
		want := make([]byte, pieces*size)
		for i := range want {
			want[i] = byte(i/size + i%size + round)
		}
		sent := make(chan error, 1)
		go func() {
			for at := 0; at < len(want); at += size {
				if _, err := to.Write(want[at : at+size]); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		got, reads := make([]byte, 0, len(want)+chunkSize), 0
		for ; len(got) < len(want); reads++ {
			n, err := from.Read(got[len(got) : len(got)+chunkSize])
			if err != nil {
				t.Fatal(err)
			}
			got = got[:len(got)+n]
		}
		if err := <-sent; err != nil || !bytes.Equal(got, want) {
			t.Fatalf("round %d: not what was sent (%v)", round, err)
		}
		if reads > pieces/10 {
			t.Errorf("round %d: %d records were read by %d reads", round, pieces, reads)
		}
		time.AfterFunc(20*time.Millisecond, func() { to.Write([]byte{7}) }) //nolint:errcheck // the read tells
		if n, err := from.Read(got[:chunkSize]); n != 1 || got[0] != 7 || err != nil {
			t.Fatalf("round %d: read %d bytes, %v", round, n, err)
		}
	}
	to.Close() //nolint:errcheck // the read tells
	if n, err := from.Read(make([]byte, 10)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes, %v at the end", n, err)
	}
}

// TestIncompleteRecordHoldsNothingBack: what is there is returned though the record behind it is not whole, and that record
// is not lost, also when a deadline passes in the middle of it.
func TestIncompleteRecordHoldsNothingBack(t *testing.T) {
	from, client, to, below := secured(t)
	if _, err := to.Write([]byte("whole")); err != nil {
		t.Fatal(err)
	}
	below.hold = 4
	if _, err := to.Write([]byte("incomplete")); err != nil {
		t.Fatal(err)
	}
	var p [100]byte
	if n, err := from.Read(p[:]); string(p[:n]) != "whole" || err != nil {
		t.Fatalf("read %q, %v", p[:n], err)
	}
	if err := client.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := from.Read(p[:]); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %q, %v before the record was whole", p[:n], err)
	}
	if err := client.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := below.Conn.Write(below.rest); err != nil {
		t.Fatal(err)
	}
	if n, err := from.Read(p[:]); string(p[:n]) != "incomplete" || err != nil {
		t.Fatalf("read %q, %v", p[:n], err)
	}
}
