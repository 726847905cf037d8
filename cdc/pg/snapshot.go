package pg

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
	tables   []decode.Table  // still to be read
	table    decode.Table
	rows     *pgconn.MultiResultReader
	result   *pgconn.ResultReader
	slots    []int
	read     int
	begun    bool
	begin    decode.Begin
	commit   decode.Commit
	block    decode.BlockChange
	position decode.PositionChange
	ended    bool
}

// openSnapshot begins a transaction that sees what a slot's exported snapshot sees, of those tables that exist in it.
func openSnapshot(ctx context.Context, config Config, slot madeSlot, tables []decode.Table) (*snapshot, error) {
	conn, err := config.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &snapshot{config: config, conn: conn, point: slot.point, ctx: ctx}
	s.begin = decode.Begin{CommitLSN: slot.point, Snapshot: true}
	s.commit = decode.Commit{CommitLSN: slot.point, EndLSN: slot.point}
	if err := s.open(slot.snapshot, tables); err != nil {
		conn.Close(ctx) //nolint:errcheck // the first error counts
		return nil, fmt.Errorf("open snapshot %s: %w", slot.snapshot, err)
	}
	return s, nil
}

func (s *snapshot) open(name string, tables []decode.Table) error {
	for _, sql := range []string{"begin isolation level repeatable read, read only", "set transaction snapshot " + quoteLiteral(name)} {
		if _, err := s.conn.Exec(s.ctx, sql); err != nil {
			return err
		}
	}
	found, err := readCatalog(s.ctx, s.conn, s.config)
	if err != nil {
		return err
	}
	s.begin.CommitTime, s.begin.Publication = found.at.Time, found.publication
	for _, t := range tables {
		if id := found.tables[t].id; id.OID != 0 {
			s.tables = append(s.tables, t)
			s.begin.Tables[t] = id
		}
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
		if s.result != nil && s.result.NextRow() {
			return s.row()
		}
		if err := s.finish(); err != nil {
			return nil, err
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

// query asks for the rows of the next table, in the text format that pgoutput has.
func (s *snapshot) query() error {
	s.table, s.tables = s.tables[0], s.tables[1:]
	columns, slots, err := presentColumns(s.ctx, s.conn, s.config, s.table)
	if err != nil {
		return err
	}
	s.slots = slots
	order := `"id"::text collate "C"`
	if s.table == decode.Blocks {
		order = `"token_contract" collate "C", "token_chain" collate "C", "timeframe" collate "C", "book_id" collate "C"`
	}
	s.rows = s.conn.PgConn().Exec(s.ctx, "select "+strings.Join(columns, ", ")+" from "+s.config.table(s.table)+" order by "+order)
	if s.rows.NextResult() {
		s.result = s.rows.ResultReader()
	}
	return nil
}

// finish closes the table that was read to its end.
func (s *snapshot) finish() error {
	if s.rows == nil {
		return nil
	}
	err := s.rows.Close()
	s.rows, s.result = nil, nil
	if err != nil {
		return fmt.Errorf("read snapshot of %s: %s; run: lowcap-cdc check", s.table, message(err))
	}
	return nil
}

func (s *snapshot) row() (decode.Message, error) {
	if s.read++; s.read%hookEvery == 0 {
		if err := s.config.hook("during-snapshot"); err != nil {
			return nil, err
		}
	}
	if s.table == decode.Blocks {
		s.block = decode.BlockChange{Op: decode.Insert}
		place(s.block.New[:], s.slots, s.result.Values())
		return &s.block, nil
	}
	s.position = decode.PositionChange{Op: decode.Insert}
	place(s.position.New[:], s.slots, s.result.Values())
	return &s.position, nil
}

// place puts the values of a result into the columns of a row.
func place(row []decode.Value, slots []int, values [][]byte) {
	for i, v := range values {
		row[slots[i]] = decode.Value{Kind: decode.Text, Text: v}
		if v == nil {
			row[slots[i]] = decode.Value{Kind: decode.Null}
		}
	}
}

// presentColumns returns the watched columns that a table has, quoted, and their places in a row.
func presentColumns(ctx context.Context, conn *pgx.Conn, config Config, table decode.Table) (columns []string, slots []int, err error) {
	rows, err := conn.Query(ctx, `select attname from pg_attribute
		where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`, config.table(table))
	if err != nil {
		return nil, nil, fmt.Errorf("read columns of %s: %w", table, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, nil, fmt.Errorf("read columns of %s: %w", table, err)
	}
	has := make(map[string]bool)
	for _, name := range found {
		has[name] = true
	}
	names, required := decode.Columns(table)
	for i, name := range names {
		switch {
		case has[name]:
			columns, slots = append(columns, pgx.Identifier{name}.Sanitize()), append(slots, i)
		case required[i]:
			return nil, nil, &decode.ColumnError{Table: table.String(), Column: name, Why: "is missing"}
		}
	}
	return columns, slots, nil
}

// close ends the snapshot's transaction and connection.
func (s *snapshot) close(ctx context.Context) error { return s.conn.Close(ctx) }
