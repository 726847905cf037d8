package pg

import (
	"errors"
	"testing"
)

// TestPublishedByAnother: what another instance has put into the publication a moment ago needs no operator, and neither does a
// connection that is lost there, or a publication that was just dropped. (All found by the simulation.)
func TestPublishedByAnother(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	if _, err := Setup(t.Context(), p.config, false); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"alter publication lowcap_cdc add table token_timeframe_blocks", "alter publication lowcap_gone add table token_timeframe_blocks",
		"select pg_terminate_backend(pg_backend_pid())"} {
		err := publish(t.Context(), p.conn, p.config, []string{sql})
		if permanent := new(Permanent); err == nil || errors.As(err, &permanent) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
