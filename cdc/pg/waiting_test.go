package pg

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestFirstRunSaysWhomItWaitsFor: a transaction of somebody else, open or prepared, holds the first snapshot up.
func TestFirstRunSaysWhomItWaitsFor(t *testing.T) {
	t.Parallel()
	server, err := startServer(t, "", "max_prepared_transactions=5")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ begin, end, want string }{
		{`begin; set application_name = 'nightly job'; select txid_current()`, `commit`, "(application nightly job, role postgres, from 127.0.0.1) since "},
		{`begin; create table t (); prepare transaction 'forgotten'`, `commit prepared 'forgotten'`, "prepared transaction 'forgotten' of postgres since "},
	} {
		p := newPlaceOn(t, server, "")
		other, err := pgx.Connect(t.Context(), p.config.DSN)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close(context.Background()) //nolint:errcheck // the test is over
		if _, err := other.Exec(t.Context(), c.begin); err != nil {
			t.Fatal(err)
		}
		said := make(chan string, 10)
		p.config.Notice = func(text string) { said <- text }
		to := newMemorySink()
		p.background(p.config, to)
		if text := <-said; !strings.Contains(text, c.want) {
			t.Errorf("notice %q, want %q", text, c.want)
		}
		if _, err := other.Exec(t.Context(), c.end); err != nil {
			t.Fatal(err)
		}
		p.exec(rowA)
		p.until("it streams", func() bool { return to.count() > 0 })
	}
}
