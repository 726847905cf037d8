package pg

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// hostile is what a role may have set that would end a snapshot, or make the server print values in another way.
const hostile = `statement_timeout=40 lock_timeout=40 idle_in_transaction_session_timeout=40 idle_session_timeout=40
	client_encoding=LATIN1 datestyle=german intervalstyle=iso_8601 extra_float_digits=-5 timezone=Asia/Tokyo bytea_output=escape
	search_path=hidden default_transaction_read_only=on default_transaction_isolation=serializable standard_conforming_strings=off
	row_security=on`

// TestHostileSession: nothing that a role has set ends the first snapshot or changes what is read.
func TestHostileSession(t *testing.T) {
	t.Parallel()
	for _, major := range []string{"", "17"} {
		t.Run("Postgres "+major, func(t *testing.T) {
			t.Parallel()
			settings := hostile
			if major != "" {
				settings += " transaction_timeout=60"
			}
			server, err := startServer(t, major)
			if err != nil {
				t.Fatal(err)
			}
			p := newPlaceOn(t, server, "")
			// More than the sockets hold, so that the server is still sending while the reader waits.
			p.exec(`insert into lowcap_positions (token_chain, token_contract, timeframe, total_quantity, closed_at, features)
				select 'solana', 'é' || i, '1h', 0.1, '2026-01-02 03:04:05.678901+00', jsonb_build_object('x', repeat('x', 100000)) from generate_series(1, 250) i`)
			p.exec(`create role hostile login superuser`)
			for _, setting := range strings.Fields(settings) {
				name, value, _ := strings.Cut(setting, "=")
				p.exec(fmt.Sprintf("alter role hostile set %s = '%s'", name, value))
			}
			config := p.as("hostile")
			config.Hook = func(string) error { // longer than each of the timeouts
				<-time.After(150 * time.Millisecond)
				return nil
			}
			to := newMemorySink()
			if err := p.runAs(config, to, ""); err != nil {
				t.Fatal(err)
			}
			p.exec(`update lowcap_positions set status = 'active' where token_contract = 'é7'`)
			if err := p.runAs(config, to, ""); err != nil {
				t.Fatal(err)
			}
			if got := to.since(250); got != "position.status_changed" {
				t.Errorf("the stream says %q", got)
			}
			for _, want := range []string{"é7", `"total_quantity":0.1`, "2026-01-02T03:04:05.678901Z"} {
				if !strings.Contains(strings.Join(to.values[:250], ""), want) {
					t.Errorf("no baseline has %q: %s", want, to.values[0])
				}
			}
		})
	}
}
