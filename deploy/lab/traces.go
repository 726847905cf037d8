package lab

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // the recorded writes
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed testdata/traces.json.gz
var tracesGz []byte

// Trace is a recorded sequence of writes of the real source system.
type Trace struct {
	Name string                       `json:"name"`
	Seed map[string][]json.RawMessage `json:"seed"`
	Log  []Write                      `json:"log"`
}

// Write is one statement, and one transaction.
type Write struct {
	Op      string          `json:"op"`
	Table   string          `json:"table"`
	Payload json.RawMessage `json:"payload"`
	Before  json.RawMessage `json:"before"`
	After   json.RawMessage `json:"after"`
}

// Traces returns the recorded sequences.
func Traces() ([]Trace, error) {
	r, err := gzip.NewReader(bytes.NewReader(tracesGz))
	if err != nil {
		return nil, err
	}
	var traces []Trace
	recorded, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	// The recorder stood in for the database's clock with a word.
	recorded = bytes.ReplaceAll(recorded, []byte(`"DB-NOW"`), []byte(`"2026-01-18T20:00:00+00:00"`))
	return traces, json.Unmarshal(recorded, &traces)
}

// Prepare inserts the rows that the trace begins with: its seed, or the row that its first write found.
func (t *Trace) Prepare(ctx context.Context, conn *pgx.Conn) error {
	rows := maps.Clone(t.Seed)
	if len(rows) == 0 {
		rows = make(map[string][]json.RawMessage)
		for _, w := range t.Log {
			if before := firstRow(w.Before); before != nil && len(rows[w.Table]) == 0 && !t.inserts(w.Table) {
				rows[w.Table] = append(rows[w.Table], before)
			}
		}
	}
	for table, seed := range rows {
		for _, row := range seed {
			if err := insert(ctx, conn, table, row, ""); err != nil {
				return fmt.Errorf("prepare trace %q: %w", t.Name, err)
			}
		}
	}
	return nil
}

// inserts reports whether the trace itself inserts into a table before it updates it.
func (t *Trace) inserts(table string) bool {
	for _, w := range t.Log {
		if w.Table == table {
			return w.Op == "UPSERT-INSERT"
		}
	}
	return false
}

// firstRow returns a row, or the first of a list of rows.
func firstRow(raw json.RawMessage) json.RawMessage {
	var rows []json.RawMessage
	if json.Unmarshal(raw, &rows) == nil {
		if len(rows) == 0 {
			return nil
		}
		return rows[0]
	}
	return raw
}

// Apply makes one write.
func (w *Write) Apply(ctx context.Context, conn *pgx.Conn) error {
	if w.Op != "UPDATE" {
		return insert(ctx, conn, w.Table, w.Payload, keyColumns(w.Table))
	}
	columns, err := names(w.Payload)
	if err != nil {
		return err
	}
	sets := make([]string, len(columns))
	for i, c := range columns {
		sets[i] = c + " = p." + c
	}
	where := make([]string, 0, 4)
	for _, c := range strings.Split(keyColumns(w.Table), ", ") {
		where = append(where, "t."+c+" = b."+c)
	}
	sql := fmt.Sprintf("update %[1]s t set %[2]s from jsonb_populate_record(null::%[1]s, $1) p, "+
		"jsonb_populate_record(null::%[1]s, $2) b where %[3]s",
		w.Table, strings.Join(sets, ", "), strings.Join(where, " and "))
	tag, err := conn.Exec(ctx, sql, string(w.Payload), string(firstRow(w.Before)))
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("%d rows instead of one", tag.RowsAffected())
	}
	if err != nil {
		return fmt.Errorf("update %s: %w", w.Table, err)
	}
	return nil
}

func keyColumns(table string) string {
	if table == "lowcap_positions" {
		return "id"
	}
	return "token_contract, token_chain, timeframe, book_id"
}

// insert inserts a row; with conflict columns it updates the row that is there.
func insert(ctx context.Context, conn *pgx.Conn, table string, row json.RawMessage, conflict string) error {
	columns, err := names(row)
	if err != nil {
		return err
	}
	list := strings.Join(columns, ", ")
	sql := fmt.Sprintf("insert into %[1]s (%[2]s) select %[2]s from jsonb_populate_record(null::%[1]s, $1)", table, list)
	if conflict != "" {
		sets := make([]string, len(columns))
		for i, c := range columns {
			sets[i] = c + " = excluded." + c
		}
		sql += " on conflict (" + conflict + ") do update set " + strings.Join(sets, ", ")
	}
	if _, err := conn.Exec(ctx, sql, string(row)); err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	return nil
}

// names returns the quoted column names of a row, sorted.
func names(row json.RawMessage) ([]string, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(row, &values); err != nil {
		return nil, err
	}
	quoted := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		quoted = append(quoted, pgx.Identifier{name}.Sanitize())
	}
	return quoted, nil
}
