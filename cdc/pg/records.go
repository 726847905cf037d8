package pg

import (
	"crypto/tls"
	"io"
	"net"
)

// gatherStream has a connection gather from now on, and returns what the stream is read from.
func gatherStream(conn net.Conn) io.Reader {
	switch c := conn.(type) {
	case *socket:
		c.gathers = true
	case *tls.Conn:
		if s, ok := c.NetConn().(*socket); ok {
			s.gathers, s.piece = true, make([]byte, chunkSize)
			return &records{c, s}
		}
	}
	return conn
}

// records reads a connection under TLS. The server makes a TLS record of every row, and crypto/tls returns them one by
// one, with system calls for each. Here the socket below is read by large pieces, and the records of a piece are returned
// together.
type records struct {
	*tls.Conn
	socket *socket
}

// Read implements io.Reader. It waits for the first record. Where the last one of a piece is incomplete, crypto/tls keeps what
// there is of it, as it does when a deadline passes.
func (r *records) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.socket.still = true
	for err == nil && n < len(p) {
		var more int
		more, err = r.Conn.Read(p[n:])
		n += more
	}
	if r.socket.still = false; n > 0 {
		return n, nil // an error that counts comes again
	}
	return 0, err
}
