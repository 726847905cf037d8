package pg

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// answer reads the rows of queries on a connection that was taken over. pgconn makes the buffer of a large row while it still
// has the one before, and two large rows are more than the sidecar may take.
type answer struct {
	conn   net.Conn
	reader reader
	chunk  chunk
	row    [][]byte
	end    func() bool // the context's
}

// takeOver takes a connection from pgconn.
func takeOver(conn *pgconn.PgConn) (net.Conn, error) {
	hijacked, err := conn.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	if err := settle(hijacked); err != nil {
		hijacked.Conn.Close() //nolint:errcheck // the first error counts
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	return hijacked.Conn, nil
}

// settle reads what came without being asked for, such as a changed setting, and ends the read that pgconn may have begun in the
// background: it does so when a write returns late, as on a busy machine, and would take the next answer. SyncConn ends it by a
// query, which a replication connection does not take before Postgres 15.
func settle(taken *pgconn.HijackedConn) error {
	passed := time.Unix(1, 0)
	for deadline := passed; ; {
		if err := taken.Conn.SetReadDeadline(deadline); err != nil {
			return err
		}
		_, err := taken.Frontend.Receive()
		switch {
		case err == nil:
			deadline = passed
		case !errors.Is(err, os.ErrDeadlineExceeded) || deadline != passed:
			return err
		case taken.Frontend.ReadBufferLen() == 0:
			return taken.Conn.SetReadDeadline(time.Time{})
		default:
			deadline = time.Now().Add(writeTimeout) // a message has begun, and its rest is on the way
		}
	}
}

// newAnswer takes a connection over. When ctx ends, so does what waits on it.
func newAnswer(ctx context.Context, conn *pgconn.PgConn) (*answer, error) {
	taken, err := takeOver(conn)
	if err != nil {
		return nil, err
	}
	a := &answer{conn: taken, reader: reader{from: taken}}
	a.end = context.AfterFunc(ctx, func() { taken.SetDeadline(time.Now()) }) //nolint:errcheck // the read then fails
	return a, nil
}

// ask sends a query, of one statement.
func (a *answer) ask(sql string) error {
	query, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err != nil {
		return err
	}
	_, err = a.conn.Write(query)
	return err
}

// next returns the values of the next row, nil for NULL, and nil behind the last row. They are valid until the following call.
func (a *answer) next() ([][]byte, error) {
	for {
		kind, body, ok := a.chunk.next()
		switch {
		case !ok:
			a.row = nil // or it would keep the last row's buffer
			if a.chunk.shrink() {
				runtime.GC()
			}
			if err := a.reader.read(&a.chunk); err != nil {
				return nil, err
			}
		case kind == 'D':
			return a.values(body)
		case kind == 'E':
			return nil, serverError(body)
		case kind == 'Z':
			return nil, nil
		}
	}
}

var errShortRow = errors.New("row ends early")

// values reads the body of a DataRow message.
func (a *answer) values(body []byte) ([][]byte, error) {
	if len(body) < 2 {
		return nil, errShortRow
	}
	count, body := int(binary.BigEndian.Uint16(body)), body[2:]
	a.row = a.row[:0]
	for range count {
		if len(body) < 4 {
			return nil, errShortRow
		}
		size := int(int32(binary.BigEndian.Uint32(body)))
		if body = body[4:]; size < 0 {
			a.row = append(a.row, nil)
			continue
		}
		if size > len(body) {
			return nil, errShortRow
		}
		a.row, body = append(a.row, body[:size:size]), body[size:]
	}
	return a.row, nil
}

// close ends the session.
func (a *answer) close() error {
	a.end()
	a.conn.SetDeadline(time.Now().Add(closeTimeout)) //nolint:errcheck // the write then says it
	a.conn.Write([]byte{'X', 0, 0, 0, 4})            //nolint:errcheck // the server notices the close
	return a.conn.Close()
}
