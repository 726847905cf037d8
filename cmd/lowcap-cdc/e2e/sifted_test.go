package e2e

import (
	"flag"
	"fmt"
	"testing"
)

const mb = 1 << 20

// memoryMB is large enough for one copy too many to be more than the 64 MB beside a row.
var memoryMB = flag.Int("memory-row", 60, "megabytes of a row in the tests of memory")

// document is SQL for a features document of a size.
func document(size int) string {
	return fmt.Sprintf(
		`jsonb_build_object('pm_execution_history', jsonb_build_object('prev_state', 'S3'), 'ta', repeat(md5('x'), %d))`,
		size/32,
	)
}

// encoded is SQL for a document that was encoded so many times more than it should have been.
func encoded(document string, times int) string {
	for range times {
		document = `to_jsonb((` + document + `)::text)`
	}
	return document
}

// TestMemoryOfAnyMessage: what no one wants takes no memory, however large it is, and a row takes little more than what is
// wanted of it.
func TestMemoryOfAnyMessage(t *testing.T) {
	for name, sql := range map[string]string{
		"a stranger's message":  `select pg_logical_emit_message(true, 'stranger', repeat('x', 150000000))`,
		"outside a transaction": `select pg_logical_emit_message(false, 'lowcap-cdc', repeat('x', 150000000))`,
		"an annotation":         `select pg_logical_emit_message(true, 'lowcap-cdc', repeat('x', 150000000)); update lowcap_positions set status = 'x'`,
		"a forged marker":       `select pg_logical_emit_message(true, 'lowcap-cdc.table', repeat('x', 150000000))`,
		"a column nobody reads": `update lowcap_positions set notes = repeat('x', 150000000)`,
		"another table":         `create table orders (id int primary key, x text); alter publication lowcap_cdc add table orders; insert into orders values (1, repeat('x', 150000000))`,
	} {
		t.Run(name, func(t *testing.T) { measure(t, sql, 0, true) })
	}
	size := *memoryMB * mb
	for name, sql := range rowsOf(size) {
		t.Run(name, func(t *testing.T) { measure(t, sql, int64(size), true) })
	}
	for name, sql := range map[string]string{
		"several": `update lowcap_positions set features = ` + document(size) + `; update lowcap_positions set features = features || '{"a": 1}'; update lowcap_positions set features = features || '{"b": 1}'`,
		"under identity full": `alter table lowcap_positions replica identity full; update lowcap_positions set features = ` + document(size) +
			`; update lowcap_positions set features = features || '{"a": 1}', status = 'x'`,
		"unchanged identity full": `alter table lowcap_positions replica identity full; update lowcap_positions set features = ` + document(size) +
			`; update lowcap_positions set status = 'x'`,
	} {
		t.Run(name, func(t *testing.T) { measure(t, sql, int64(size), true) })
	}
}

// rowsOf are statements that make one row of a size, of what is wanted of it.
func rowsOf(size int) map[string]string {
	history := `jsonb_build_object('pm_execution_history', ` + // of as many bytes of quotation marks and backslashes as of others
		fmt.Sprintf(`jsonb_build_object('prev_state', 'S3', 'note', repeat('xx"', %d)))`, size/4)
	trades := fmt.Sprintf(`jsonb_build_array(jsonb_build_object('summary', repeat(md5('y'), %d)))`, size/64)
	return map[string]string{
		"a document":                `update lowcap_positions set features = ` + document(size),
		"encoded twice":             `update lowcap_positions set features = ` + encoded(document(size), 1),
		"encoded three times":       `update lowcap_positions set features = ` + encoded(document(size), 2),
		"encoded twice, no object":  `update lowcap_positions set features = ` + encoded(fmt.Sprintf(`jsonb_build_array(repeat(md5('x'), %d))`, size/32), 1),
		"a history encoded twice":   `update lowcap_positions set features = jsonb_build_object('pm_execution_history', ` + encoded(document(size), 1) + `)`,
		"a history of quotes":       `update lowcap_positions set features = ` + history,
		"quotes, all encoded twice": `update lowcap_positions set features = ` + encoded(fmt.Sprintf(`jsonb_build_object('a', repeat('xx"', %d))`, size/6), 1),
		"a record of quotes": `update lowcap_positions set features = jsonb_build_object('pm_execution_history', ` +
			fmt.Sprintf(`jsonb_build_object('last_trim', repeat('xx"', %d)))`, size/4),
		"two columns":    `update lowcap_positions set features = ` + document(size/2) + `, completed_trades = ` + trades,
		"another column": fmt.Sprintf(`update lowcap_positions set completed_trades = jsonb_build_array(repeat(md5('y'), %d))`, size/32),
		"two texts":      fmt.Sprintf(`update lowcap_positions set status = repeat('"', %d), state = repeat(E'\n', %d)`, size/2, size/2),
	}
}

// TestMemoryOfASnapshot: so does a row that a snapshot reads, and any number of them.
func TestMemoryOfASnapshot(t *testing.T) {
	t.Run("a column nobody reads", func(t *testing.T) {
		measure(t, `update lowcap_positions set notes = repeat('x', 150000000)`, 0, false)
	})
	size := *memoryMB * mb
	for name, sql := range rowsOf(size) {
		t.Run(name+", three of them", func(t *testing.T) { measure(t, sql, int64(size), false) })
	}
}

// measure runs statements, before the first start or after it, and expects the rule of docs/guarantees.md of what reads them:
// at most 64 MB and 1.1 times the largest row.
func measure(t *testing.T, sql string, wanted int64, streamed bool) {
	s := newSite(t)
	sink, _ := s.file("x")
	if streamed {
		s.seedPositions(1)
		s.drain("k", sink)
	} else {
		s.seedPositions(3)
	}
	s.exec(sql)
	peak, most := s.peakMemory(s.command("k", sink, "--until", "now")), 64*mb+wanted*11/10
	t.Logf("%d MB resident of %d", peak>>20, most>>20)
	if peak > most {
		t.Errorf("%d MB resident, at most %d MB are promised", peak>>20, most>>20)
	}
}
