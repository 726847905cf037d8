package pg

import (
	"context"
	"errors"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// TestSlotMadeAnewBeforeTheStream: a slot that another instance drops and makes anew between the look at it and the stream
// begins later. What lies between is told by a reconcile, and not passed over. The model in docs/model found it.
func TestSlotMadeAnewBeforeTheStream(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.mustRun(newMemorySink())
	checked, err := decode.ParseLSN(p.ask(`select confirmed_flush_lsn from pg_replication_slots where slot_name = '` + p.config.Slot + `'`))
	if err != nil {
		t.Fatal(err)
	}
	p.exec(`select pg_drop_replication_slot('` + p.config.Slot + `')`)
	p.exec(rowA)
	p.exec(`select pg_create_logical_replication_slot('` + p.config.Slot + `', 'pgoutput')`)
	s := New(p.config)
	defer s.Close() //nolint:errcheck // the test is over
	s.extend = func(decode.LSN) {}
	if s.repl, err = s.config.connectReplication(context.Background()); err != nil {
		t.Fatal(err)
	}
	err = s.startStream(t.Context(), cdc.Checkpoint{LSN: checked})
	if lost := new(LostError); !errors.As(err, &lost) || !strings.Contains(err.Error(), "past the sink's checkpoint") {
		t.Errorf("the stream starts behind a change: %v", err)
	}
}
