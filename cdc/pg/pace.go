package pg

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lowcap-cdc/decode"
)

const (
	// paceRows is how many rows of a table are read to learn how fast they come.
	paceRows = 20000
	// paceWithin is for how long they are read, for each table.
	paceWithin = time.Second
)

// Pace is how long a snapshot takes to read.
type Pace struct {
	Rows    int64
	Reading time.Duration // of all rows, as measured on some of them
}

// MeasurePace reads some rows of each table, as a snapshot does, and counts all. It changes nothing.
func MeasurePace(ctx context.Context, c Config) (p Pace, err error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return p, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	found, err := readCatalog(ctx, conn, c)
	if err != nil {
		return p, err
	}
	for _, t := range decode.Tables {
		e := &found.tables[t]
		if e.id.OID == 0 {
			continue
		}
		var rows int64
		if err := conn.QueryRow(ctx, "select count(*) from "+e.from(c)).Scan(&rows); err != nil {
			return p, fmt.Errorf("count rows of %s: %s", t, message(err))
		}
		read, took, err := e.readSome(ctx, c)
		if err != nil {
			return p, err
		}
		if p.Rows += rows; read > 0 {
			p.Reading += time.Duration(float64(took) * float64(rows) / float64(read))
		}
	}
	return p, nil
}

// readSome reads rows until there are enough, or until the time is over. Its connection ends with the query, which may be
// in the middle of a row.
func (e *tableEntry) readSome(ctx context.Context, c Config) (read int64, took time.Duration, err error) {
	columns, _, err := e.watched()
	if err != nil {
		return 0, 0, err
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	within, cancel := context.WithTimeout(ctx, paceWithin)
	defer cancel()
	begun := time.Now()
	rows := conn.PgConn().Exec(within, fmt.Sprintf("select %s from %s limit %d", strings.Join(columns, ", "), e.from(c), paceRows))
	for rows.NextResult() {
		for result := rows.ResultReader(); result.NextRow(); {
			read++
		}
	}
	err = rows.Close()
	if took = time.Since(begun); within.Err() != nil {
		return max(read, 1), took, ctx.Err() // the time was over; one row that takes longer counts as one
	}
	if err != nil {
		err = explainRead(e.table, err)
	}
	return read, took, err
}
