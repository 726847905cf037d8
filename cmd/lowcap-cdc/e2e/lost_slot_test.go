package e2e

import (
	"strings"
	"testing"
)

// TestLostSlotIsSeen: check and status end with 3 and give Postgres' own reason, before run makes a gap of it.
func TestLostSlotIsSeen(t *testing.T) {
	for reason, c := range map[string]struct {
		settings []string
		lose     string
	}{
		"wal_removed": {[]string{"max_slot_wal_keep_size=1MB", "max_wal_size=32MB", "min_wal_size=32MB"},
			`insert into filler select repeat(md5(i::text), 100) from generate_series(1, 10000) i; checkpoint`},
		"idle_timeout":            {[]string{"idle_replication_slot_timeout=1s"}, `checkpoint`},
		"does not exist any more": {nil, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_type = 'logical' and not active`},
	} {
		t.Run(reason, func(t *testing.T) {
			h := newHistory(t, "18", false, c.settings...)
			h.exec(`create table filler (t text)`)
			for readable := true; readable; {
				h.exec(c.lose)
				err := h.conn.QueryRow(t.Context(), `select count(*) > 0 from pg_replication_slots where slot_name = $1 and invalidation_reason is null`,
					h.name+"k").Scan(&readable)
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, args := range [][]string{{"check"}, {"status"}, {"run", "--no-reconcile", "--until", "now"}} {
				code, out := h.try(args...)
				if code != 3 || !strings.Contains(out, reason) || !strings.Contains(out, "lowcap-cdc reconcile") {
					t.Errorf("%v: exit %d: %s", args, code, out)
				}
			}
		})
	}
}
