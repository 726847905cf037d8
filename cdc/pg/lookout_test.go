package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// TestLookout: every look goes over the same connection, until that is lost or the server does not answer any more.
func TestLookout(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(rowA)
	var parted atomic.Bool
	c := p.config
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &silent{Conn: conn, since: &parted}, err
	}
	l := NewLookout(c)
	defer l.Close()
	var process uint32
	look := func(want error, again bool) {
		t.Helper()
		if err := l.Free(t.Context()); !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		if now := l.conn.PgConn().PID(); (now == process) != again {
			t.Errorf("process %d of the server answers, before %d", now, process)
		} else {
			process = now
		}
	}
	look(nil, false)
	to := newMemorySink()
	p.background(p.config, to)
	p.until("it streams", func() bool {
		return to.count() > 0 && p.ask(`select bool_or(active) from pg_replication_slots where slot_name = '`+c.Slot+`'`) == "true"
	})
	look(ErrSlotActive, true)
	look(ErrSlotActive, true)
	p.exec(fmt.Sprintf(`select pg_terminate_backend(%d, 10000)`, l.conn.PgConn().PID()))
	if err := l.Free(t.Context()); err == nil || errors.Is(err, ErrSlotActive) {
		t.Fatalf("its connection is gone: %v", err)
	}
	look(ErrSlotActive, false)
	l.within = 100 * time.Millisecond
	parted.Store(true)
	if err := l.Free(t.Context()); err == nil || errors.Is(err, ErrSlotActive) {
		t.Fatalf("the server does not answer: %v", err)
	}
	parted.Store(false)
	l.within = lookTimeout
	look(ErrSlotActive, false)
}

// silent is a connection from which nothing arrives any more while a network has parted.
type silent struct {
	net.Conn
	since *atomic.Bool
}

// Write implements net.Conn: what is written is lost.
func (s *silent) Write(p []byte) (int, error) {
	if s.since.Load() {
		return len(p), nil
	}
	return s.Conn.Write(p)
}
