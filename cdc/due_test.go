package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/decode"
)

// dueTape is a stream in which many positions become due in one transaction, beside a change of its own.
func dueTape() []decode.Message {
	wanted := func(id int) decode.PositionRow {
		row := somePosition(fmt.Sprint("p", id), `{"uptrend_engine_v4": {"exit_position": true, "price": 2}}`)
		row[decode.TotalQuantity] = decode.Value{Kind: decode.Text, Text: []byte("5")}
		return row
	}
	messages := []decode.Message{&decode.Begin{CommitLSN: 0x100, CommitTime: benchCommitTime, Snapshot: true, Tables: someTables}}
	for id := range 7 {
		messages = append(messages, insertOf(wanted(id)))
	}
	messages = append(messages, &decode.Commit{CommitLSN: 0x100, EndLSN: 0x100})
	for i, seconds := range []decode.Micros{10, 700, 5000} {
		lsn := decode.LSN(0x200 + 0x100*i)
		messages = append(messages, &decode.Begin{CommitLSN: lsn, CommitTime: benchCommitTime + seconds*second, XID: 7},
			insertOf(somePosition(fmt.Sprint("q", i), someHistory)), &decode.Commit{CommitLSN: lsn, EndLSN: lsn + 0x40})
	}
	return messages
}

// mortalSink commits and then fails every so many commits, as when a process ends before it learns that its commit is durable.
type mortalSink struct {
	memorySink
	every, commits int
}

var errDied = errors.New("the process died")

func (s *mortalSink) Commit(ctx context.Context, b *Batch) error {
	if err := s.memorySink.Commit(ctx, b); err != nil {
		return err
	}
	if s.commits++; s.commits%s.every == 0 {
		return errDied
	}
	return nil
}

// TestDueIsCut: what is due at the end of one transaction is more than a batch holds, and the process ends between any two
// batches, over and over. Every event is told once, in the same order and at the same place.
func TestDueIsCut(t *testing.T) {
	messages := dueTape()
	sink := &mortalSink{memorySink: memorySink{state: make(map[string]string)}, every: 1 << 30}
	run := func(limit, end int) error {
		p := &Pipeline{Source: &tape{messages: messages, end: end}, Sink: sink, Slot: "s", Batch: limit}
		return p.Run(t.Context())
	}
	if err := run(0, len(messages)); !errors.Is(err, errTapeEnds) {
		t.Fatal(err)
	}
	whole := sink.events
	if n := strings.Count(strings.Join(whole, "\n"), `emergency_exit.pending.v1"`); n != 14 {
		t.Fatalf("%d exits are told as pending, want 14", n)
	}
	for limit := 1; limit <= 3; limit++ {
		for every := 2; every <= 5; every++ {
			sink = &mortalSink{memorySink: memorySink{state: make(map[string]string)}, every: 1 << 30}
			if err := run(0, 9); !errors.Is(err, errTapeEnds) { // the snapshot is in the sink
				t.Fatal(err)
			}
			sink.every = every
			err := errDied
			for errors.Is(err, errDied) {
				err = run(limit, len(messages))
			}
			if !errors.Is(err, errTapeEnds) {
				t.Fatal(err)
			}
			if !slices.Equal(sink.events, whole) {
				t.Fatalf("batches of %d, dead after %d: events differ\n got %s\nwant %s", limit, every, strings.Join(sink.events, "\n"),
					strings.Join(whole, "\n"))
			}
		}
	}
}

// TestAwait: the source is told from when on something is due, and that nothing waits any more; a new process learns it
// from the images.
func TestAwait(t *testing.T) {
	s := newTeller(t)
	s.play(nil)
	for _, wait := range []struct {
		do   string
		next decode.Micros
	}{{"exit", benchCommitTime + 600*second}, {"restart", benchCommitTime + 600*second}, {"no-exit", 0}} {
		if wait.do == "restart" {
			s.restart()
		} else {
			s.step(step{0, wait.do, ""})
		}
		if got := s.machine.state.agenda.next; got != wait.next {
			t.Errorf("%s: something is due at %d, want %d", wait.do, got, wait.next)
		}
	}
}
