package cdc

import (
	"context"
	"errors"
	"testing"

	"lowcap-cdc/decode"
)

// eagerTape is a tape whose next message is always there, and which says when the second batch is long passed.
type eagerTape struct {
	tape
	passed    chan struct{}
	confirmed []decode.LSN
}

const secondBatch = 7 // messages to its end

func (s *eagerTape) Buffered() bool { return s.at < s.end }

func (s *eagerTape) Next(ctx context.Context) (decode.Message, error) {
	if s.at == secondBatch+2 {
		close(s.passed)
	}
	return s.tape.Next(ctx)
}

func (s *eagerTape) Confirm(lsn decode.LSN) { s.confirmed = append(s.confirmed, lsn) }

// patientSink ends its second commit when the source was read on, and notes what was confirmed by then.
type patientSink struct {
	memorySink
	source    *eagerTape
	commits   int
	fails     error
	confirmed int
}

func (s *patientSink) Commit(ctx context.Context, b *Batch) error {
	s.commits++
	if s.commits == 2 {
		s.confirmed = len(s.source.confirmed)
		<-s.source.passed
		if s.fails != nil {
			return s.fails
		}
	}
	return s.memorySink.Commit(ctx, b)
}

// blockTape is a snapshot and transactions of one block change each.
func blockTape(transactions int) []decode.Message {
	messages := []decode.Message{&decode.Begin{CommitLSN: 0x100, CommitTime: benchCommitTime, Snapshot: true, Tables: someTables},
		&decode.Commit{CommitLSN: 0x100, EndLSN: 0x100}}
	for n := range transactions {
		lsn := decode.LSN(0x100 * (n + 2))
		change := benchBlock(n, "2026-01-18 11:06:52.514883+00")
		change.Op = decode.Insert
		messages = append(
			messages,
			&decode.Begin{CommitLSN: lsn, CommitTime: benchCommitTime, XID: 1},
			change,
			&decode.Commit{CommitLSN: lsn, EndLSN: lsn + 0x40},
		)
	}
	return messages
}

func runPatiently(fails error) (*patientSink, error) {
	messages := blockTape(8)
	source := &eagerTape{tape: tape{messages: messages, end: len(messages)}, passed: make(chan struct{})}
	sink := &patientSink{memorySink: memorySink{state: make(map[string]string)}, source: source, fails: fails}
	p := &Pipeline{Source: source, Sink: sink, Slot: "s", Batch: 2}
	return sink, p.Run(context.Background())
}

// TestFillsWhileItCommits: the source is read on during a commit, and not confirmed before its end.
func TestFillsWhileItCommits(t *testing.T) {
	sink, err := runPatiently(nil)
	if !errors.Is(err, errTapeEnds) {
		t.Fatal(err)
	}
	confirmed := sink.source.confirmed
	if sink.confirmed != 1 || len(sink.events) != 8 || confirmed[len(confirmed)-1] != 0x840 {
		t.Errorf("confirmed %d before the second commit ended, in the end %v; %d events", sink.confirmed, confirmed, len(sink.events))
	}
}

// TestFailedCommitEndsTheRun: what was filled in the meantime is not given to the sink, and nothing is confirmed.
func TestFailedCommitEndsTheRun(t *testing.T) {
	full := errors.New("disk full")
	sink, err := runPatiently(full)
	if !errors.Is(err, full) || sink.commits != 2 || len(sink.source.confirmed) != 1 {
		t.Errorf("%v after %d commits, confirmed %v", err, sink.commits, sink.source.confirmed)
	}
}
