package pg

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

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
	p.alter(`select pg_drop_replication_slot('` + p.config.Slot + `')`)
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

// TestAnotherInstancesSlotStays: an instance that wants to begin with a snapshot finds a slot. Where another instance has taken the
// sink over, or makes the slot anew just then, that slot is left alone, and nobody is asked for: the next start looks again. The
// simulation found it.
func TestAnotherInstancesSlotStays(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	create := `select pg_create_logical_replication_slot('` + p.config.Slot + `', 'pgoutput')`
	there := func() string {
		return p.ask(`select confirmed_flush_lsn from pg_replication_slots where slot_name = '` + p.config.Slot + `'`)
	}
	p.exec(create)
	anew := func(context.Context) error {
		p.exec(`select pg_drop_replication_slot('` + p.config.Slot + `')`)
		p.exec(rowA)
		p.exec(create)
		return nil
	}
	fenced := func(context.Context) error { return errors.New("fenced") }
	for name, start := range map[string]cdc.Start{"fenced": {Owned: true, Held: fenced}, "fenced, not its own": {Held: fenced},
		"made anew": {Owned: true, Held: anew}} {
		err := New(p.config).makeWay(t.Context(), &start)
		if err == nil || IsPermanent(err) || there() == "" {
			t.Errorf("%s: %v, the slot stands at %q", name, err, there())
		}
	}
	held := cdc.Start{Owned: true, Held: func(context.Context) error { return nil }}
	if err := New(p.config).makeWay(t.Context(), &held); err != nil {
		t.Error(err)
	}
	if n := p.ask(`select count(*) from pg_replication_slots where slot_name = '` + p.config.Slot + `'`); n != "0" {
		t.Errorf("%s slots are left of an interrupted snapshot", n)
	}
}

// TestLossByAnOldState: a slot that is past the state which was read is lost to the one who holds the sink, and to nobody else: another
// instance may have moved on with both. (Found by the simulation: a reconcile, and a gap, that were none.)
func TestLossByAnOldState(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.mustRun(newMemorySink())
	p.exec(rowA)
	p.alter(`select pg_replication_slot_advance('` + p.config.Slot + `', pg_current_wal_lsn())`)
	old := startOf()
	old.Resume, old.Known.LSN = 1, 1
	fenced, lost := errors.New("fenced"), new(LostError)
	for _, c := range []struct {
		held   error
		isLost bool
	}{{nil, true}, {fenced, false}} {
		old.Held = func(context.Context) error { return c.held }
		s := New(p.config)
		if _, err := s.Start(t.Context(), old); errors.As(err, &lost) != c.isLost || errors.Is(err, fenced) == c.isLost {
			t.Errorf("held %v: %v", c.held, err)
		}
		s.Close() //nolint:errcheck // it has not started
	}
}

// TestLossIsLookedAtAgain: a loss that was met is repaired by a start that finds it too. One that another instance has repaired in the
// meantime is none: a gap would be told of nothing. (Found by the simulation.)
func TestLossIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.mustRun(newMemorySink())
	confirmed, err := decode.ParseLSN(p.ask(`select confirmed_flush_lsn from pg_replication_slots where slot_name = '` + p.config.Slot + `'`))
	if err != nil {
		t.Fatal(err)
	}
	start := startOf()
	start.Resume, start.Known.LSN, start.Owned, start.Repair = confirmed, confirmed, true, true
	begin := func() (cdc.Started, decode.Message) {
		s := New(p.config)
		defer s.Close() //nolint:errcheck // it was only started
		started, err := s.Start(t.Context(), start)
		if err != nil {
			t.Fatal(err)
		}
		var first decode.Message
		for first == nil {
			if first, err = s.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return started, first
	}
	if started, first := begin(); started.Lost != "" || isSnapshot(first) {
		t.Errorf("nothing is lost: %q, and begins with %T", started.Lost, first)
	}
	p.exec(rowA)
	p.alter(`select pg_replication_slot_advance('` + p.config.Slot + `', pg_current_wal_lsn())`)
	if started, first := begin(); !strings.Contains(started.Lost, "past the sink's checkpoint") || !isSnapshot(first) {
		t.Errorf("a row is lost: %q, and begins with %T", started.Lost, first)
	}
}

func isSnapshot(m decode.Message) bool {
	begin, ok := m.(*decode.Begin)
	return ok && begin.Snapshot
}

// TestSlotLostBeforeTheStart: what the server says of a slot that was lost between the look and the start is not about wal_level,
// and passes: the next start finds the slot as it is.
func TestSlotLostBeforeTheStart(t *testing.T) {
	s := New(Config{Slot: "slot"})
	lost := &pgconn.PgError{Code: codeObjectNotInState, Message: `can no longer get changes from replication slot "slot"`}
	if err := s.explainStart(lost); IsPermanent(err) || strings.Contains(err.Error(), "wal_level") || !strings.Contains(err.Error(), lost.Message) {
		t.Errorf("start: %v", err)
	}
	if err := s.explainSlot("create", lost); !IsPermanent(err) || !strings.Contains(err.Error(), "wal_level") {
		t.Errorf("create: %v", err)
	}
}
