package pg

import (
	"strings"
	"testing"
)

// TestTeardown drops what is certainly its own, and names and leaves the rest.
func TestTeardown(t *testing.T) {
	t.Parallel()
	const twoTables = `create publication lowcap_cdc for table token_timeframe_blocks, lowcap_positions;`
	const slot = `select pg_create_logical_replication_slot(current_database() || '_slot', 'pgoutput');`
	for name, c := range map[string]struct{ sql, dropped, left string }{
		"its own":                  {twoTables + slot, "slot NAME_slot, publication lowcap_cdc", ""},
		"nothing is there":         {"", "", ""},
		"only the publication":     {twoTables, "publication lowcap_cdc", ""},
		"another slot lives of it": {twoTables + slot + `select pg_create_logical_replication_slot(current_database() || '_other', 'pgoutput')`, "slot NAME_slot", "NAME_other"},
		"a mistyped slot":          {twoTables + `select pg_create_logical_replication_slot(current_database() || '_other', 'pgoutput')`, "", "NAME_other"},
		"a slot of another plugin": {twoTables + `select pg_create_logical_replication_slot(current_database() || '_slot', 'test_decoding')`, "", `plugin "test_decoding"`},
		"no state of it":           {twoTables + slot, "", "no state of it"},
		"a physical slot":          {twoTables + `select pg_create_physical_replication_slot(current_database() || '_slot')`, "", "physical"},
		"somebody else's table":    {`create table orders (id int primary key); create publication lowcap_cdc for table orders, lowcap_positions;` + slot, "slot NAME_slot", "public.orders"},
		"all tables":               {`create publication lowcap_cdc for all tables;` + slot, "slot NAME_slot", "all tables"},
		"tables of a schema":       {`create table orders (id int primary key); create publication lowcap_cdc for tables in schema public;` + slot, "slot NAME_slot", "public.orders"},
		"only ours, by the schema": {`create publication lowcap_cdc for tables in schema public;` + slot, "slot NAME_slot", "public.lowcap_positions"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "")
			if strings.Contains(c.sql, "tables in schema") && majorVersion(p.conn.PgConn()) < 15 {
				t.Skip("Postgres 14 has no such publication")
			}
			for sql := range strings.SplitSeq(c.sql, ";") {
				p.exec(sql)
			}
			dropped, err := Teardown(t.Context(), p.config, name != "no state of it")
			if got := strings.Join(dropped, ", "); got != strings.ReplaceAll(c.dropped, "NAME", p.name) {
				t.Errorf("dropped %q", got)
			}
			if want := strings.ReplaceAll(c.left, "NAME", p.name); want == "" && err != nil || want != "" && (!IsPermanent(err) || !strings.Contains(err.Error(), want)) {
				t.Errorf("error is %v, want %q", err, want)
			}
			left := p.ask(`select (select count(*) from pg_publication) || ' ' || (select count(*) from pg_replication_slots where slot_name = '` + p.config.Slot + `')`)
			publication, slots := "0", "0"
			if c.sql != "" && !strings.Contains(c.dropped, "publication") {
				publication = "1"
			}
			if strings.Contains(c.sql, "'_slot'") && !strings.Contains(c.dropped, "slot NAME_slot") {
				slots = "1"
			}
			if left != publication+" "+slots {
				t.Errorf("publications and slots left: %s", left)
			}
		})
	}
}

// TestTeardownOfAnotherDatabase leaves a slot of another database alone.
func TestTeardownOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	p, other := newPlace(t, ""), newPlace(t, "")
	other.exec(`select pg_create_logical_replication_slot('` + p.config.Slot + `', 'pgoutput')`)
	if dropped, err := Teardown(t.Context(), p.config, true); len(dropped) > 0 || !IsPermanent(err) || !strings.Contains(err.Error(), other.name) {
		t.Errorf("dropped %q, %v", dropped, err)
	}
}
