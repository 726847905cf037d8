package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"lowcap-cdc/decode"
)

const (
	// confirmDelay gathers confirmations: a status update each would cost the server a wake-up each.
	confirmDelay = 50 * time.Millisecond
	closeTimeout = 5 * time.Second
	writeTimeout = 10 * time.Second
	chunksAhead  = 2 // chunks read while the pipeline is busy
	bytesAhead   = 4 * chunkSize
)

// stream is a replication connection in copy mode. Its goroutine alone reads and writes the socket: it reads ahead by a
// few chunks and sends status updates by the clock, also while the pipeline takes nothing.
type stream struct {
	conn   net.Conn
	from   io.Reader // conn, read by large pieces
	every  time.Duration
	reader reader
	chunks chan *chunk
	free   chan *chunk
	stop   chan struct{}
	done   chan struct{}
	err    error // why chunks was closed

	ahead    atomic.Int64  // bytes of chunks that were handed over and are still read
	released chan struct{} // a token when there are fewer

	current   *chunk        // the pipeline's
	confirmed atomic.Uint64 // LSN
	pending   atomic.Bool   // a confirmation waits to be sent
}

// openStream starts replication on a connection that has just been taken over.
func openStream(ctx context.Context, config Config, conn net.Conn, sieve *decode.Sieve, from decode.LSN, every time.Duration) (*stream, error) {
	s := &stream{
		conn:     conn,
		every:    every,
		from:     gatherStream(conn),
		chunks:   make(chan *chunk, chunksAhead),
		free:     make(chan *chunk, chunksAhead+2),
		released: make(chan struct{}, 1),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		current:  &chunk{},
	}
	s.reader = reader{from: s.from, sieve: sieve}
	s.confirmed.Store(uint64(from))
	if err := s.command(ctx, startCommand(config, from)); err != nil {
		conn.Close() //nolint:errcheck // the first error counts
		return nil, err
	}
	s.reader.from = s
	go s.run()
	return s, nil
}

// command sends START_REPLICATION and waits until the server has switched to copy mode. What the server sent behind
// its answer stays in the current chunk.
func (s *stream) command(ctx context.Context, text string) error {
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Now()) }) //nolint:errcheck // the read then fails
	defer stop()
	query, err := (&pgproto3.Query{String: text}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err := s.conn.Write(query); err != nil {
		return fmt.Errorf("send START_REPLICATION: %w", err)
	}
	for {
		kind, body, ok := s.current.next()
		switch {
		case !ok:
			if err := s.reader.read(s.current); err != nil {
				return fmt.Errorf("wait for START_REPLICATION: %w", err)
			}
		case kind == 'W':
			return nil
		case kind == 'E':
			return serverError(body)
		}
	}
}

// run owns the socket until it fails or close is called.
func (s *stream) run() {
	defer close(s.done)
	s.err = s.readAll()
	close(s.chunks)
	if errors.Is(s.err, errStopped) {
		// The last word: what was confirmed since the last update is not lost, and the slot is free at once.
		if s.sendStatus(false) == nil {
			s.write(append([]byte{'c', 0, 0, 0, 4}, 'X', 0, 0, 0, 4)) //nolint:errcheck // the server notices the close
		}
	}
	s.conn.Close() //nolint:errcheck // there is nothing left to lose on it
}

var errStopped = errors.New("stream closed")

func (s *stream) readAll() error {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	if err := s.status(); err != nil {
		return err
	}
	for {
		if err := s.awaitRoom(ticker.C); err != nil {
			return err
		}
		c := s.freeChunk()
		if err := s.reader.read(c); err != nil {
			return fmt.Errorf("read replication stream: %w", err)
		}
		if c.wantsReply() {
			if err := s.status(); err != nil {
				return err
			}
		}
		if err := s.hand(c, ticker.C); err != nil {
			return err
		}
	}
}

// awaitRoom waits while more is read ahead than memory allows: a row of many megabytes is a chunk of its own, and the
// next one is not read before the pipeline is through with it.
func (s *stream) awaitRoom(tick <-chan time.Time) error {
	for s.ahead.Load() > bytesAhead {
		select {
		case <-s.released:
		case <-s.stop:
			return errStopped
		case <-tick:
			if err := s.status(); err != nil {
				return err
			}
		}
	}
	return nil
}

// freeChunk returns a chunk to read into: one that the pipeline gave back, or a new one.
func (s *stream) freeChunk() *chunk {
	select {
	case c := <-s.free:
		return c
	default:
		return &chunk{}
	}
}

// Read implements io.Reader for the goroutine that owns the socket. A deadline that passes while it waits means that a
// status update is due.
func (s *stream) Read(p []byte) (int, error) {
	for {
		n, err := s.from.Read(p)
		select {
		case <-s.stop:
			return 0, errStopped
		default:
		}
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err := s.status(); err != nil {
			return 0, err
		}
	}
}

// hand gives a chunk to the pipeline, and keeps the server content while the pipeline does not take it.
func (s *stream) hand(c *chunk, tick <-chan time.Time) error {
	c.ahead = int64(cap(c.buffer))
	s.ahead.Add(c.ahead)
	select {
	case s.chunks <- c:
		return nil
	default: // there is no room
	}
	for {
		select {
		case s.chunks <- c:
			return nil
		case <-s.stop:
			return errStopped
		case <-tick:
			if err := s.status(); err != nil {
				return err
			}
		}
	}
}

func (s *stream) write(message []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	if _, err := s.conn.Write(message); err != nil {
		return fmt.Errorf("send status update: %w", err)
	}
	return nil
}

// next returns the next replication message.
func (s *stream) next(ctx context.Context) (frame, error) {
	for {
		kind, body, ok := s.current.next()
		switch {
		case !ok:
			if err := s.advance(ctx); err != nil {
				return frame{}, err
			}
		case kind == 'd':
			return parseFrame(body)
		case kind == 'E':
			return frame{}, explainStream(serverError(body))
		case kind == 'c' || kind == 'C':
			return frame{}, errors.New("replication stream ended by the server: it is shutting down")
		}
	}
}

// advance gives the chunk back that was read to its end, and moves to the next one.
func (s *stream) advance(ctx context.Context) error {
	s.release()
	select {
	case c, ok := <-s.chunks:
		if !ok {
			return s.err
		}
		s.current = c
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release makes room for another chunk. A buffer that one huge row made is not kept.
func (s *stream) release() {
	c := s.current
	s.current = &chunk{}
	s.ahead.Add(-c.ahead)
	c.ahead = 0
	if c.shrink() {
		runtime.GC()
	}
	select {
	case s.released <- struct{}{}:
	default:
	}
	select {
	case s.free <- c:
	default:
	}
}

func (s *stream) buffered() bool { return s.current.at < s.current.used || len(s.chunks) > 0 }

// confirm notes a position and has it sent soon.
func (s *stream) confirm(lsn decode.LSN) {
	if uint64(lsn) <= s.confirmed.Load() {
		return
	}
	s.confirmed.Store(uint64(lsn))
	if s.pending.CompareAndSwap(false, true) {
		s.conn.SetReadDeadline(time.Now().Add(confirmDelay)) //nolint:errcheck // a closed socket shows in the next read
	}
}

// close ends the stream and waits for its goroutine.
func (s *stream) close() {
	close(s.stop)
	s.conn.SetReadDeadline(time.Now()) //nolint:errcheck // a closed socket shows in the next read
	<-s.done
}
