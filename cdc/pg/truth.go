package pg

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

// Truth reads the two tables as they stand at one moment, for who compares them with what was published. It writes nothing,
// makes no slot, and needs the rights of a snapshot only.
type Truth struct {
	rows    *snapshot
	before  decode.LSN // where the WAL was before the moment
	place   decode.LSN // everything that the snapshot sees was committed before it
	next    uint64     // the first transaction that had no number yet
	running map[uint32]bool
}

// truthAttempts is how often a snapshot is taken anew because a table was emptied or rewritten under it.
const truthAttempts = 5

// OpenTruth takes a snapshot. What it sees is told exactly, without a slot, by the transactions' numbers.
func OpenTruth(ctx context.Context, c Config) (*Truth, error) {
	for attempt := 1; ; attempt++ {
		t, err := openTruth(ctx, c)
		if !errors.Is(err, errOther) || attempt == truthAttempts {
			return t, err
		}
	}
}

func openTruth(ctx context.Context, c Config) (*Truth, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	t := &Truth{rows: &snapshot{config: c, conn: conn, ctx: ctx, encoding: encodingOf(conn.PgConn())}}
	if err := t.open(ctx, conn); err != nil {
		conn.Close(ctx) //nolint:errcheck // the first error counts
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	return t, nil
}

func (t *Truth) open(ctx context.Context, conn *pgx.Conn) error {
	var err error
	if t.before, err = walPlace(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "begin isolation level repeatable read, read only"); err != nil {
		return err
	}
	var snapshot string
	if err := conn.QueryRow(ctx, "select pg_current_snapshot()::text").Scan(&snapshot); err != nil {
		return err
	}
	if t.next, t.running, err = parseSnapshot(snapshot); err != nil {
		return err
	}
	if t.place, err = walPlace(ctx, conn); err != nil {
		return err
	}
	if err := t.rows.config.hook("after-truth"); err != nil {
		return err
	}
	if t.rows.found, err = readCatalog(ctx, conn, t.rows.config); err != nil {
		return err
	}
	for _, table := range decode.Tables {
		if e := &t.rows.found.tables[table]; e.id.OID != 0 {
			if err := t.hold(ctx, conn, e); err != nil {
				return err
			}
			t.rows.tables = append(t.rows.tables, table)
		}
	}
	return nil
}

// hold locks a table, so that it stays what the snapshot sees until it has been read.
func (t *Truth) hold(ctx context.Context, conn *pgx.Conn, e *tableEntry) error {
	if err := e.check(t.rows.config); err != nil {
		return err
	}
	switch _, err := conn.Exec(ctx, "select from "+e.from(t.rows.config)+" limit 0"); {
	case sqlState(err) == codeUndefinedTable:
		return fmt.Errorf("table %s %w while it was read", t.rows.config.table(e.table), errOther)
	case err != nil:
		return explainRead(e.table, err)
	}
	return t.rows.checkSame(e)
}

// walPage and walHeader are the size of a page of the WAL and of the longest header that one begins with. Where the WAL ends
// with a page, the place is given behind the next page's header, which is not written yet.
const (
	walPage   = 8192
	walHeader = 40
)

func walPlace(ctx context.Context, conn *pgx.Conn) (decode.LSN, error) {
	var text string
	err := conn.QueryRow(ctx, `select `+walEndSQL).Scan(&text)
	if err != nil {
		return 0, err
	}
	lsn, err := decode.ParseLSN(text)
	return onPage(lsn), err
}

// onPage takes a place behind a page's header back to where the page begins.
func onPage(lsn decode.LSN) decode.LSN {
	if in := lsn % walPage; in <= walHeader {
		return lsn - in
	}
	return lsn
}

// parseSnapshot reads what pg_current_snapshot prints: xmin:xmax:xip,xip.
func parseSnapshot(text string) (next uint64, running map[uint32]bool, err error) {
	part := strings.Split(text, ":")
	if len(part) != 3 {
		return 0, nil, fmt.Errorf("read snapshot %q: it has not three parts", text)
	}
	if next, err = strconv.ParseUint(part[1], 10, 64); err != nil {
		return 0, nil, fmt.Errorf("read snapshot %q: %w", text, err)
	}
	running = make(map[uint32]bool)
	for _, field := range strings.FieldsFunc(part[2], func(r rune) bool { return r == ',' }) {
		xid, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0, nil, fmt.Errorf("read snapshot %q: %w", text, err)
		}
		running[uint32(xid)] = true
	}
	return next, running, nil
}

// Place returns a place in the WAL before which everything was committed that the snapshot sees.
func (t *Truth) Place() decode.LSN { return t.place }

// ahead is how many transactions can have begun since the snapshot. A number that is further ahead of the snapshot's next one
// is an old one: 32 bits go round.
const ahead = 1 << 20

// Saw reports whether the snapshot sees a transaction, given its number and where it was committed. A transaction is in the WAL
// before anybody sees it, by as long as its flush or a synchronous standby takes, so its place alone does not tell.
func (t *Truth) Saw(xid uint32, commit decode.LSN) bool {
	since := xid - uint32(t.next)
	switch {
	case commit >= t.place, t.running[xid]:
		return false
	case xid == 0, int32(since) < 0:
		return true
	}
	return commit < t.before && since >= ahead
}

// SawSnapshot reports whether everything that a snapshot at a place told of had been committed before.
func (t *Truth) SawSnapshot(at decode.LSN) bool { return onPage(at) <= t.before }

// OID returns the number of a table, 0 when it is not there.
func (t *Truth) OID(table decode.Table) uint32 { return t.rows.found.tables[table].id.OID }

// Next returns the next row, as *decode.BlockChange or *decode.PositionChange, valid until the following call; nil when all
// were read. The blocks come first, each table in the order of its key.
func (t *Truth) Next() (decode.Message, error) {
	for {
		m, err := t.rows.next()
		switch m.(type) {
		case *decode.Begin, *decode.Commit:
			continue
		}
		return m, err
	}
}

// Close ends the snapshot.
func (t *Truth) Close(ctx context.Context) error { return t.rows.close(ctx) }

// Confirmed returns up to where a slot's reader has everything in its sink, 0 when there is no such slot.
func Confirmed(ctx context.Context, c Config) (decode.LSN, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	slot, _, err := readSlot(ctx, conn, c.Slot)
	return slot.confirmed, err
}
