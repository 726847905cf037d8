package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// kept is a connection that is opened when it is needed, and stays for the next time. It is for one goroutine.
type kept struct {
	config Config
	conn   *pgx.Conn // nil while it is closed
}

func (k *kept) open(ctx context.Context) (err error) {
	if k.conn == nil {
		k.conn, err = k.config.connect(ctx)
	}
	return err
}

// Close ends the connection. It is idempotent, and what is asked later connects anew.
func (k *kept) Close() {
	if k.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		k.conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
		k.conn = nil
	}
}
