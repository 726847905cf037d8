package pg

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/cdc"
)

// renameDatabase gives the place's database another name.
func (p *place) renameDatabase() {
	p.t.Helper()
	p.released(p.config.Slot)
	p.conn.Close(p.t.Context()) //nolint:errcheck // the next statement says it
	admin, err := pgx.Connect(p.t.Context(), p.server.DSN("postgres"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer admin.Close(p.t.Context()) //nolint:errcheck // it only renames a database
	name := p.name + "_renamed"
	if _, err := admin.Exec(p.t.Context(), "alter database "+p.name+" rename to "+name); err != nil {
		p.t.Fatal(err)
	}
	p.config.DSN = p.server.DSN(name)
	if p.conn, err = pgx.Connect(p.t.Context(), p.config.DSN); err != nil {
		p.t.Fatal(err)
	}
}

// mustAdopt runs a pipeline that adopts the server, up to now.
func (p *place) mustAdopt(to *memorySink) string {
	p.t.Helper()
	before := to.count()
	until, err := Now(p.t.Context(), p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	from := New(p.config)
	defer from.Close() //nolint:errcheck // the test looks at the sink
	if err := (&cdc.Pipeline{Source: from, Sink: to, Slot: p.config.Slot, Until: until, Adopt: true}).Run(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	return to.since(before)
}

// TestProofLeavesOutWhatLeft: a table that left the stream before the server was adopted, seen by nobody, is told to be missing behind
// the adoption, although its rows are as they were: what came and went meanwhile is lost. (Found by the simulation: the snapshot that
// proves the adoption became what was known of the table, and nothing was told.)
func TestProofLeavesOutWhatLeft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ left, want, then string }{
		"out of the publication and back": {"alter publication lowcap_cdc drop table token_timeframe_blocks; " + rowA + clear +
			"delete from token_timeframe_blocks; alter publication lowcap_cdc add table token_timeframe_blocks",
			"stream.adopted stream.reconciled table.missing", "table.present stream.gap"},
		"out of the publication": {"alter publication lowcap_cdc drop table token_timeframe_blocks",
			"stream.adopted stream.reconciled table.missing", "table.present stream.gap"},
		"made anew, and not published": {"create table fresh (like token_timeframe_blocks including all); drop table token_timeframe_blocks; " +
			"alter table fresh rename to token_timeframe_blocks", "stream.adopted stream.reconciled table.missing", "table.present"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "")
			to := newMemorySink()
			p.mustRun(to)
			p.exec(test.left)
			p.renameDatabase()
			if got := p.mustAdopt(to); got != test.want {
				t.Errorf("adopted: %q, want %q", got, test.want)
			}
			if got := p.mustRun(to); got != test.then {
				t.Errorf("then %q, want %q", got, test.then)
			}
		})
	}
}
