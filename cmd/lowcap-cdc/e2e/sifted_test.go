package e2e

import (
	"fmt"
	"testing"
)

const mb = 1 << 20

// document is SQL for a features document of a size.
func document(size int) string {
	return fmt.Sprintf(
		`jsonb_build_object('pm_execution_history', jsonb_build_object('prev_state', 'S3'), 'ta', repeat(md5('x'), %d))`,
		size/32,
	)
}

// TestMemoryOfAnyMessage: what no one wants takes no memory, however large it is, and a row takes little more than what is
// wanted of it.
func TestMemoryOfAnyMessage(t *testing.T) {
	for name, c := range map[string]struct {
		sql    string
		wanted int64
	}{
		"a stranger's message":    {`select pg_logical_emit_message(true, 'stranger', repeat('x', 150000000))`, 0},
		"outside a transaction":   {`select pg_logical_emit_message(false, 'lowcap-cdc', repeat('x', 150000000))`, 0},
		"an annotation":           {`select pg_logical_emit_message(true, 'lowcap-cdc', repeat('x', 150000000)); update lowcap_positions set status = 'x'`, 0},
		"a forged marker":         {`select pg_logical_emit_message(true, 'lowcap-cdc.table', repeat('x', 150000000))`, 0},
		"a column nobody reads":   {`update lowcap_positions set notes = repeat('x', 150000000)`, 0},
		"another table":           {`create table orders (id int primary key, x text); alter publication lowcap_cdc add table orders; insert into orders values (1, repeat('x', 150000000))`, 0},
		"a document":              {`update lowcap_positions set features = ` + document(100*mb), 100 * mb},
		"a document, several":     {`update lowcap_positions set features = ` + document(60*mb) + `; update lowcap_positions set features = features || '{"a": 1}'; update lowcap_positions set features = features || '{"b": 1}'`, 60 * mb},
		"under identity full":     {`alter table lowcap_positions replica identity full; update lowcap_positions set features = ` + document(60*mb) + `; update lowcap_positions set features = features || '{"a": 1}', status = 'x'`, 60 * mb},
		"unchanged identity full": {`alter table lowcap_positions replica identity full; update lowcap_positions set features = ` + document(60*mb) + `; update lowcap_positions set status = 'x'`, 60 * mb},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.seedPositions(1)
			sink, _ := s.file("x")
			s.drain("k", sink)
			s.exec(c.sql)
			peak := s.peakMemory(s.command("k", sink, "--until", "now"))
			t.Logf("%d MB resident", peak>>20)
			if most := int64(64*mb) + c.wanted*11/10; peak > most {
				t.Errorf("%d MB resident, at most %d MB are promised", peak>>20, most>>20)
			}
		})
	}
}

// TestMemoryOfASnapshot: so does a row that a snapshot reads.
func TestMemoryOfASnapshot(t *testing.T) {
	for name, c := range map[string]struct {
		sql    string
		wanted int64
	}{
		"a column nobody reads": {`update lowcap_positions set notes = repeat('x', 150000000)`, 0},
		"a document":            {`update lowcap_positions set features = ` + document(100*mb), 100 * mb},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.seedPositions(1)
			s.exec(c.sql)
			sink, _ := s.file("x")
			peak := s.peakMemory(s.command("k", sink, "--until", "now"))
			t.Logf("%d MB resident", peak>>20)
			if most := int64(64*mb) + c.wanted*11/10; peak > most {
				t.Errorf("%d MB resident, at most %d MB are promised", peak>>20, most>>20)
			}
		})
	}
}
