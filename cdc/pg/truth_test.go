package pg

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

// TestSaw: a transaction whose commit is in the WAL, but which nobody sees yet, is not in the snapshot.
func TestSaw(t *testing.T) {
	truth := &Truth{before: 1000, place: 1100, next: 500, running: map[uint32]bool{497: true}}
	for name, c := range map[string]struct {
		xid    uint32
		commit uint64
		saw    bool
	}{
		"long before":                           {400, 10, true},
		"just before":                           {499, 1050, true},
		"behind the place":                      {499, 1100, false},
		"running, its commit is in the WAL":     {497, 900, false},
		"the newest, its commit is in the WAL":  {500, 990, false},
		"begun since":                           {501, 1050, false},
		"of a snapshot, which has no number":    {0, 900, true},
		"before the numbers went round":         {4000000000, 10, true},
		"half a round ago":                      {500 + 1<<31, 10, true},
		"ahead by less than numbers can be old": {500 + ahead, 10, true},
	} {
		if saw := truth.Saw(c.xid, decode.LSN(c.commit)); saw != c.saw {
			t.Errorf("%s: %v", name, saw)
		}
	}
}

// TestTruthOfAnotherTable: a table that is emptied, rewritten, made anew or dropped under the snapshot would seem to have lost its rows
// at a place where it still had them.
func TestTruthOfAnotherTable(t *testing.T) {
	t.Parallel()
	for _, ddl := range []string{"truncate token_timeframe_blocks", "alter table token_timeframe_blocks add column rewritten float8 default random()",
		`create table fresh (like token_timeframe_blocks including all); insert into fresh select * from token_timeframe_blocks;
			drop table token_timeframe_blocks; alter table fresh rename to token_timeframe_blocks`,
		"drop table token_timeframe_blocks"} {
		p := newPlace(t, "")
		p.exec(rowA)
		p.exec("insert into lowcap_positions (token_chain, token_contract, timeframe) values ('solana', 'X', '1h')")
		var after decode.LSN
		p.config.Hook = func(string) error {
			if after > 0 {
				return nil
			}
			p.exec(ddl)
			var err error
			after, err = walPlace(t.Context(), p.conn)
			return err
		}
		rows, place := p.truth()
		if want := p.count(); rows != want || place < after {
			t.Errorf("%s: %d rows at %s, want %d at %s or later", ddl, rows, place, want, after)
		}
	}
}

// truth returns how many rows there are, and at which place.
func (p *place) truth() (rows int, at decode.LSN) {
	p.t.Helper()
	truth, err := OpenTruth(p.t.Context(), p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	defer truth.Close(p.t.Context()) //nolint:errcheck // it was only read
	for {
		row, err := truth.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		if row == nil {
			return rows, truth.Place()
		}
		rows++
	}
}

// count returns how many rows the tables have.
func (p *place) count() (rows int) {
	p.t.Helper()
	for _, table := range decode.Tables {
		var has int
		if err := p.conn.QueryRow(p.t.Context(), "select count(*) from "+pgx.Identifier{table.String()}.Sanitize()).Scan(&has); sqlState(err) != codeUndefinedTable && err != nil {
			p.t.Fatal(err)
		}
		rows += has
	}
	return rows
}
