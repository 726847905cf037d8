package pg

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// statusEvery is how often the server is told how far the sink has come, whatever else happens; more often where the
// server's patience is short.
const statusEvery = 10 * time.Second

// statusInterval returns how often the server has to hear of this connection: while the pipeline takes nothing, its own
// requests for a sign of life are not read.
func statusInterval(ctx context.Context, conn *pgconn.PgConn) (time.Duration, error) {
	results, err := conn.Exec(ctx, "select setting from pg_settings where name = 'wal_sender_timeout'").ReadAll()
	if err != nil {
		return 0, fmt.Errorf("read wal_sender_timeout: %s", message(err))
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return statusEvery, nil
	}
	milliseconds, err := strconv.Atoi(string(results[0].Rows[0][0]))
	if err != nil || milliseconds <= 0 { // 0: the server waits for ever
		return statusEvery, nil
	}
	return min(statusEvery, time.Duration(milliseconds)*time.Millisecond/4), nil
}

// status sends a status update and sets the time of the next one. The order matters: a confirmation that comes after
// pending is reset either is in this update or moves the deadline after it was set here.
func (s *stream) status() error {
	s.pending.Store(false)
	if err := s.conn.SetReadDeadline(time.Now().Add(s.every)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	return s.sendStatus(true)
}

// sendStatus sends the position as written, flushed and applied: a position is only known when all three are true. The
// server answers with its own, which moves the checkpoint of an idle publication.
func (s *stream) sendStatus(reply bool) error {
	lsn := s.confirmed.Load()
	message := append(make([]byte, 0, 39), 'd', 0, 0, 0, 38, 'r')
	for range 3 {
		message = binary.BigEndian.AppendUint64(message, lsn)
	}
	message = binary.BigEndian.AppendUint64(message, uint64(time.Now().UnixMicro()-microsFrom1970To2000))
	wanted := byte(0)
	if reply {
		wanted = 1
	}
	return s.write(append(message, wanted))
}

// wantsReply reports whether the chunk holds a keepalive that asks for an answer.
func (c *chunk) wantsReply() bool {
	for at := 0; at < c.used; {
		size := int(binary.BigEndian.Uint32(c.buffer[at+1:])) + 1
		if body := c.buffer[at+5 : at+size]; len(body) == 18 && c.buffer[at] == 'd' && body[0] == 'k' && body[17] == 1 {
			return true
		}
		at += size
	}
	return false
}
