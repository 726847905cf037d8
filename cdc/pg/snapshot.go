package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

// hookEvery is how many snapshot rows pass between two calls of the failpoint.
const hookEvery = 100

// snapshot reads both tables as they were at a slot's consistent point, row by row.
type snapshot struct {
	config Config
	conn   *pgx.Conn
	point  decode.LSN

	ctx      context.Context // of the run: the rows are read over many calls of next
	found    catalog         // as the snapshot sees it
	tables   []decode.Table  // still to be read
	table    decode.Table
	answer   *answer // nil before the first table is read
	reading  bool
	index    []int // of a result's column in a row
	encoding string
	read     int
	begun    bool
	begin    decode.Begin
	commit   decode.Commit
	block    decode.BlockChange
	position decode.PositionChange
	ended    bool
}

// reads says which of the tables that exist a snapshot reads.
type reads func(*tableEntry) bool

func readsAll(*tableEntry) bool { return true }

// openSnapshot begins a transaction that sees what a slot's exported snapshot sees, of those tables that exist in it.
func openSnapshot(ctx context.Context, config Config, slot madeSlot, of reads) (*snapshot, error) {
	conn, err := config.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &snapshot{config: config, conn: conn, point: slot.point, ctx: ctx, encoding: encodingOf(conn.PgConn())}
	s.begin = decode.Begin{CommitLSN: slot.point, Snapshot: true}
	s.commit = decode.Commit{CommitLSN: slot.point, EndLSN: slot.point}
	if err := s.open(slot.snapshot, of); err != nil {
		conn.Close(ctx) //nolint:errcheck // the first error counts
		return nil, fmt.Errorf("open snapshot %s: %w", slot.snapshot, err)
	}
	return s, nil
}

func (s *snapshot) open(name string, of reads) error {
	for _, sql := range []string{"begin isolation level repeatable read, read only", "set transaction snapshot " + quoteLiteral(name)} {
		if _, err := s.conn.Exec(s.ctx, sql); err != nil {
			return err
		}
	}
	var err error
	if s.found, err = readCatalog(s.ctx, s.conn, s.config); err != nil {
		return err
	}
	s.begin.CommitTime, s.begin.Publication = s.found.at.Time, s.found.version
	for _, t := range decode.Tables {
		e := &s.found.tables[t]
		if e.id.OID == 0 || !of(e) {
			continue
		}
		if err := e.check(s.config); err != nil {
			return err
		}
		var rows uint64
		if err := s.conn.QueryRow(s.ctx, "select count(*) from "+e.from(s.config)).Scan(&rows); err != nil {
			return explainRead(t, err)
		}
		if err := s.checkSame(e); err != nil {
			return err
		}
		s.tables = append(s.tables, t)
		s.begin.Tables[t] = e.id
		s.begin.Rows += rows
	}
	return nil
}

// errOther says that a table is not the one that a snapshot sees.
var errOther = errors.New("was made anew, emptied or rewritten")

// checkSame makes sure that a table, which is locked by now, is the one that the snapshot sees. Neither its name nor its file go by
// snapshots: one that was made anew, emptied or rewritten (by ALTER TABLE) since would seem to have no rows
// (PostgreSQL manual, "Caveats" of MVCC).
func (s *snapshot) checkSame(e *tableEntry) error {
	var same bool
	err := s.conn.QueryRow(s.ctx, `select coalesce(to_regclass($1)::oid = $2, false) and coalesce(bool_and(l.relfilenode = pg_relation_filenode(l.oid)), true)
		from pg_class l where l.relkind = 'r' and (l.oid = $2 or l.oid in (select relid from pg_partition_tree($2) where isleaf))`,
		s.config.table(e.table), e.id.OID).Scan(&same)
	if err != nil {
		return explainRead(e.table, err)
	}
	if !same {
		return fmt.Errorf("table %s %w while its snapshot was opened; the next try reads it", s.config.table(e.table), errOther)
	}
	return nil
}

// next returns the snapshot as one transaction: begin, every row of the blocks and then of the positions in the order
// of their keys, commit; nil at its end.
func (s *snapshot) next() (decode.Message, error) {
	if !s.begun {
		s.begun = true
		return &s.begin, nil
	}
	for {
		if s.reading {
			if row, err := s.row(); row != nil || err != nil {
				return row, err
			}
		}
		if len(s.tables) == 0 {
			if s.ended {
				return nil, nil
			}
			s.ended = true
			return &s.commit, nil
		}
		if err := s.query(); err != nil {
			return nil, err
		}
	}
}

// query asks for the rows of the next table, in the text format that pgoutput has and in the order of the bytes that the
// stream brings: those of UTF-8, whatever the database's own encoding is.
func (s *snapshot) query() error {
	s.table, s.tables = s.tables[0], s.tables[1:]
	e := &s.found.tables[s.table]
	columns, index, err := e.watched()
	if err != nil {
		return err
	}
	s.index = index
	var keys []string
	for _, column := range keyColumns(s.table) {
		keys = append(keys, sortKey(s.encoding, column))
	}
	if s.answer == nil {
		if s.answer, err = newAnswer(s.ctx, s.conn.PgConn()); err != nil {
			return err
		}
	}
	s.reading = true
	sql := "select " + strings.Join(columns, ", ") + " from " + e.from(s.config) + " order by " + strings.Join(keys, ", ")
	return s.explain(s.answer.ask(sql))
}

// row returns the next row of a table, nil at its end.
func (s *snapshot) row() (decode.Message, error) {
	s.block, s.position = decode.BlockChange{}, decode.PositionChange{} // they have the last row's bytes
	values, err := s.answer.next()
	if s.reading = values != nil; !s.reading {
		return nil, s.explain(err)
	}
	if s.read++; s.read%hookEvery == 0 {
		if err := s.config.hook("during-snapshot"); err != nil {
			return nil, err
		}
	}
	if s.table == decode.Blocks {
		s.block.Op = decode.Insert
		return &s.block, s.place(s.block.New[:], values)
	}
	s.position.Op = decode.Insert
	return &s.position, s.place(s.position.New[:], values)
}

func (s *snapshot) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	}
	return explainRead(s.table, err)
}

// place puts the values of the result into the columns of a row.
func (s *snapshot) place(row []decode.Value, values [][]byte) error {
	for i, v := range values {
		row[s.index[i]] = decode.Value{Kind: decode.Text, Text: v}
		if v == nil {
			row[s.index[i]] = decode.Value{Kind: decode.Null}
		}
		if s.encoding == encodingASCII { // the server does not know what its texts are, and sends them as they are
			if _, err := requireUTF8(v); err != nil {
				return fmt.Errorf("read snapshot of %s: %w", s.table, err)
			}
		}
	}
	return nil
}

// close ends the snapshot's transaction and connection.
func (s *snapshot) close(ctx context.Context) error {
	if s.answer != nil {
		return s.answer.close()
	}
	return s.conn.Close(ctx)
}
