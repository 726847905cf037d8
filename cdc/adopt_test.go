package cdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
	"lowcap-cdc/schemas/schematest"
)

// server is a tape of another server than the history's: it is adopted when that is asked for, or was begun.
type server struct {
	tape
	is     Identity
	tables decode.TableIDs
	slot   decode.LSN // where the slot that came along stands; 0 when it did not
	proves bool       // that it came along: the tape's snapshot lies ahead
	quiet  int
}

func (s *server) Start(ctx context.Context, start Start) (Started, error) {
	started := Started{Identity: s.is}
	s.from = start.Resume
	s.proves = start.Known.Adoption.proves()
	begun := start.Known.Adoption.IsOf(s.is) && !start.Known.Adoption.CameAlong
	switch {
	case start.Known.Identity == s.is && !begun:
		return started, nil
	case !start.Adopt && !begun:
		return started, start.Known.CheckSource("s", s.is)
	case s.slot != 0:
		started.Adopted, started.CameAlong, started.Tables, started.Publication = true, true, s.tables, 9
		started.Resume = decode.Progress{LSN: s.slot, Time: benchCommitTime}
		s.from, s.proves = s.slot, true
		return started, nil
	}
	started.Adopted, s.from = true, 0
	return started, start.Claim(ctx, started)
}

// Next plays the tape from the place that the server was started at. Behind its end the connection is quiet for a moment.
func (s *server) Next(context.Context) (decode.Message, error) {
	if s.at == s.end {
		if s.quiet++; s.end == len(s.messages) && s.quiet < 3 {
			return nil, nil
		}
		return nil, errTapeEnds
	}
	message := s.messages[s.at]
	s.at++
	if begin, ok := message.(*decode.Begin); ok {
		s.passing = begin.CommitLSN < s.from || (begin.Snapshot && s.from != 0 && !s.proves)
	}
	if s.passing {
		return nil, nil
	}
	return message, nil
}

func (s *server) Buffered() bool { return s.at < s.end && s.tape.Buffered() }

// runOnServer runs a pipeline on a server of which the connection ends after some messages.
func runOnServer(sink Sink, s server, end int, set func(*Pipeline)) error {
	s.end = min(end, len(s.messages))
	p := &Pipeline{Source: &s, Sink: sink, Slot: "s"}
	if set != nil {
		set(p)
	}
	return p.Run(context.Background())
}

var (
	firstServer  = Identity{SystemID: "7421", Timeline: 1, Database: "trading", Schema: "public"}
	secondServer = Identity{SystemID: "7555", Timeline: 1, Database: "trading", Schema: "public"}
)

// snapshotAt is a snapshot at a place, with the numbers that tables have there.
func snapshotAt(lsn decode.LSN, tables decode.TableIDs, rows ...any) []decode.Message {
	messages := []decode.Message{&decode.Begin{CommitLSN: lsn, CommitTime: benchCommitTime + decode.Micros(lsn), Snapshot: true, Tables: tables, Publication: 9}}
	for _, row := range rows {
		messages = append(messages, insertOf(row))
	}
	return append(messages, &decode.Commit{CommitLSN: lsn, EndLSN: lsn})
}

func updateAt(lsn decode.LSN, row decode.PositionRow) []decode.Message {
	return []decode.Message{&decode.Begin{CommitLSN: lsn, CommitTime: benchCommitTime + decode.Micros(lsn), XID: 7},
		&decode.PositionChange{Op: decode.Update, New: row}, &decode.Commit{CommitLSN: lsn, EndLSN: lsn + 0x30}}
}

const soldHistory = `{"pm_execution_history": {"last_trim": {"timestamp": "2026-01-18T10:00:00Z", "price": 1, "size_frac": 0.5, "signal": "trim"}}}`

func withStatus(id, status string) decode.PositionRow {
	history := someHistory
	if id == "q" {
		history = soldHistory
	}
	row := somePosition(id, history)
	row[decode.Status] = decode.Value{Kind: decode.Text, Text: []byte(status)}
	return row
}

// otherTables are the tables as another cluster numbers them.
var otherTables = decode.TableIDs{decode.Blocks: {OID: 900, Member: 5}, decode.Positions: {OID: 901, Member: 6}}

// adoption is what becomes of a history on another server.
type adoption struct {
	to     Identity
	slot   decode.LSN
	before func(*Pipeline) // of the last run on the server before
	tape   []decode.Message
	want   string // events after those of the server before
	gap    string // what stream.gap says, in part
}

func adoptions() map[string]adoption {
	renamed, restored := firstServer, firstServer
	renamed.Database, restored.Timeline = "renamed", 2
	same := []any{someBlock("C", true), withStatus("p", "watchlist"), somePosition("q", soldHistory)}
	more := []any{someBlock("C", true), withStatus("p", "paused"), somePosition("q", soldHistory)}
	handOver := func(p *Pipeline) { p.Until, p.HandOver = 0x230, true }
	return map[string]adoption{
		"a dump, restored": {to: secondServer, tape: append(snapshotAt(0x40, otherTables, same...), updateAt(0x80, withStatus("q", "watchlist"))...),
			want: "stream.adopted stream.gap stream.reconciled position.status_changed",
			gap:  "between /postgres/7421/trading at 0/230 (2026-11-24T06:00:00.000512Z) and /postgres/7555/trading at 0/40"},
		"a dump, and rows that differ": {to: secondServer, tape: snapshotAt(0x40, otherTables, more...),
			want: "stream.adopted stream.gap position.status_changed stream.reconciled"},
		"a dump after a handover": {to: secondServer, before: handOver, tape: snapshotAt(0x40, otherTables, same...),
			want: "stream.adopted stream.reconciled"},
		"a dump after a handover that did not hold": {to: secondServer, before: handOver, tape: snapshotAt(0x40, otherTables, more...),
			want: "stream.adopted stream.gap position.status_changed stream.reconciled", gap: "handed over"},
		"the slot came along": {to: secondServer, slot: 0x10040,
			tape: append(updateAt(0x10080, withStatus("p", "paused")), snapshotAt(0x10100, otherTables, more...)...),
			want: "stream.adopted position.status_changed stream.reconciled"},
		"the slot came along and had not brought everything": {to: secondServer, slot: 0x10040,
			tape: snapshotAt(0x10100, otherTables, more...),
			want: "stream.adopted stream.gap position.status_changed stream.reconciled", gap: "did not bring everything"},
		"another name": {to: renamed, slot: 0x230, tape: append(updateAt(0x240, withStatus("p", "paused")), snapshotAt(0x300, someTables, more...)...),
			want: "stream.adopted position.status_changed stream.reconciled"},
		"an older state of the same server": {to: restored, tape: append(snapshotAt(0x180, someTables, someBlock("C", true),
			somePosition("p", someHistory), somePosition("q", soldHistory)), updateAt(0x200, withStatus("p", "watchlist"))...),
			want: "stream.adopted stream.gap position.status_changed stream.reconciled position.status_changed"},
	}
}

// TestAdoption: every adoption is told once, wherever its connection ends and however often it is begun again. Numbers and
// hashes go on, sequences rise, and no id comes twice.
func TestAdoption(t *testing.T) {
	for name, a := range adoptions() {
		t.Run(name, func(t *testing.T) {
			for end := range len(a.tape) + 1 {
				sink := firstHistory(t, a.before)
				before := len(sink.events)
				adopt := func(p *Pipeline) { p.Adopt = true }
				s := server{tape: tape{messages: a.tape}, is: a.to, tables: otherTables, slot: a.slot}
				if a.to.SystemID == firstServer.SystemID {
					s.tables = someTables
				}
				if err := runOnServer(sink, s, end, adopt); !errors.Is(err, errTapeEnds) {
					t.Fatal(err)
				}
				if a.slot == 0 {
					adopt = nil // what was begun is finished by any run
				}
				if err := runOnServer(sink, s, len(a.tape), adopt); !errors.Is(err, errTapeEnds) {
					t.Fatal(err)
				}
				if got := namesIn(t, sink.events[before:]); got != a.want {
					t.Fatalf("ended after %d messages: events\n got %s\nwant %s", end, got, a.want)
				}
				oneHistory(t, sink.events)
				if a.gap != "" && !strings.Contains(strings.Join(sink.events[before:], "\n"), a.gap) {
					t.Errorf("no gap says %q in %s", a.gap, sink.events[before:])
				}
			}
		})
	}
}

// firstHistory is a sink with what the first server said: two positions and a block, and one change.
func firstHistory(t *testing.T, last func(*Pipeline)) *memorySink {
	t.Helper()
	sink := &memorySink{state: make(map[string]string)}
	messages := append(snapshotAt(0x100, someTables, someBlock("C", true), somePosition("p", someHistory), somePosition("q", soldHistory)),
		updateAt(0x200, withStatus("p", "watchlist"))...)
	err := runOnServer(sink, server{tape: tape{messages: messages}, is: firstServer}, len(messages), last)
	if last == nil && !errors.Is(err, errTapeEnds) || last != nil && err != nil {
		t.Fatal(err)
	}
	return sink
}

func namesIn(t *testing.T, events []string) string {
	t.Helper()
	var names []string
	for _, text := range events {
		schematest.Validate(t, []byte(text))
		names = append(names, schemas.Type(attributesOf(t, text).Type).Name())
	}
	return strings.Join(names, " ")
}

type eventAttributes struct {
	ID, Type, Sequence, Number, Chain, Source string
	Data                                      struct {
		Base   uint64 `json:"sequence_base"`
		Origin struct {
			CommitLSN string `json:"commit_lsn"`
		}
	}
}

func attributesOf(t *testing.T, text string) (a eventAttributes) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// oneHistory fails unless events are one history: numbered and chained from 1, in the order of their sequences, each with an id of
// its own that names the server's place, and sequences that are the server's places plus what stream.adopted says.
func oneHistory(t *testing.T, events []string) {
	t.Helper()
	seen, sequence, base, chain := make(map[string]bool), "", uint64(0), schemas.Chain{}
	for _, text := range events {
		a := attributesOf(t, text)
		number, hash := chain.Next()
		if a.Number != fmt.Sprint(number) || a.Chain != hash {
			t.Errorf("event %s has number %s and chain %s, want %d and %s", a.ID, a.Number, a.Chain, number, hash)
		}
		chain.Add(number, []byte(text))
		if seen[a.ID] {
			t.Errorf("id %s comes twice", a.ID)
		}
		if seen[a.ID] = true; a.Sequence <= sequence {
			t.Errorf("event %s has sequence %s, after %s", a.ID, a.Sequence, sequence)
		}
		if sequence = a.Sequence; strings.Contains(a.Type, "stream.adopted") {
			base = a.Data.Base
		}
		lsn, err := decode.ParseLSN(a.Data.Origin.CommitLSN)
		if want := fmt.Sprintf("%016X", uint64(lsn)+base); err != nil || sequence[:16] != want {
			t.Errorf("event %s has sequence %s, want it to begin with %s", a.ID, sequence, want)
		}
		if !strings.Contains(a.ID, fmt.Sprintf("/%x/%X/", uint64(lsn)>>32, uint32(lsn))) {
			t.Errorf("event at %s has id %s", lsn, a.ID)
		}
		if system := strings.Split(a.Source, "/")[2]; !strings.HasPrefix(a.ID, system) {
			t.Errorf("event of %s has id %s", a.Source, a.ID)
		}
	}
}

// TestProofTakesNothingOver: that the rows are as they are known does not say that nothing was missed of a table that is another member
// of the publication by now. It is told when the stream comes to where somebody has seen it.
func TestProofTakesNothingOver(t *testing.T) {
	sink := firstHistory(t, nil)
	before := len(sink.events)
	again := someTables
	again[decode.Blocks].Member = 9
	messages := append(snapshotAt(0x300, again, someBlock("C", true), withStatus("p", "watchlist"), somePosition("q", soldHistory)),
		&decode.Begin{CommitLSN: 0x340, CommitTime: benchCommitTime + 0x340, XID: 9},
		&decode.TableGone{Table: decode.Blocks, ID: someTables[decode.Blocks], Why: decode.WhyPutBack, Since: decode.Progress{LSN: 0x230, Time: benchCommitTime}},
		&decode.Commit{CommitLSN: 0x340, EndLSN: 0x370})
	s := server{tape: tape{messages: messages}, is: firstServer, tables: someTables, slot: 0x230}
	s.is.Database = "renamed"
	if err := runOnServer(sink, s, len(messages), func(p *Pipeline) { p.Adopt = true }); !errors.Is(err, errTapeEnds) {
		t.Fatal(err)
	}
	if got := namesIn(t, sink.events[before:]); got != "stream.adopted stream.reconciled table.missing" {
		t.Errorf("events %s", got)
	}
}

// TestAnotherServerIsNotAdopted: nothing is adopted that nobody asked for, and what was begun can be left.
func TestAnotherServerIsNotAdopted(t *testing.T) {
	sink := firstHistory(t, nil)
	before := maps.Clone(sink.state)
	second := server{tape: tape{messages: snapshotAt(0x40, otherTables)}, is: secondServer}
	err := runOnServer(sink, second, 9, nil)
	if other := new(OtherSourceError); !errors.As(err, &other) || !strings.Contains(err.Error(), "reconcile --adopt") || !maps.Equal(sink.state, before) {
		t.Errorf("%v", err)
	}
	// An adoption that ends before its snapshot is in the sink leaves the history with the server before.
	if err := runOnServer(sink, second, 1, func(p *Pipeline) { p.Adopt = true }); !errors.Is(err, errTapeEnds) {
		t.Fatal(err)
	}
	events := len(sink.events)
	back := server{tape: tape{messages: updateAt(0x300, withStatus("q", "watchlist"))}, is: firstServer}
	if err := runOnServer(sink, back, 9, nil); !errors.Is(err, errTapeEnds) {
		t.Fatal(err)
	}
	if got := namesIn(t, sink.events[events:]); got != "position.status_changed" || strings.Contains(sink.state[CheckpointKey], "Adoption") {
		t.Errorf("back on the first server: %s, %s", got, sink.state[CheckpointKey])
	}
	oneHistory(t, sink.events)
}

// TestRunAgainEndsAHandover: who runs on after a handover takes it back.
func TestRunAgainEndsAHandover(t *testing.T) {
	sink := firstHistory(t, func(p *Pipeline) { p.Until, p.HandOver = 0x230, true })
	if !strings.Contains(sink.state[CheckpointKey], `"HandedOver":true`) {
		t.Fatal(sink.state[CheckpointKey])
	}
	first := server{tape: tape{messages: updateAt(0x300, withStatus("q", "watchlist"))}, is: firstServer}
	if err := runOnServer(sink, first, 9, nil); !errors.Is(err, errTapeEnds) {
		t.Fatal(err)
	}
	if strings.Contains(sink.state[CheckpointKey], "HandedOver") {
		t.Error(sink.state[CheckpointKey])
	}
}

// TestAdoptedThere: from one server to another and back, and a first event that is referred to keeps its id.
func TestAdoptedThere(t *testing.T) {
	sink := firstHistory(t, nil)
	adopt := func(p *Pipeline) { p.Adopt = true }
	rows := []any{someBlock("C", true), withStatus("p", "watchlist"), somePosition("q", soldHistory)}
	second := append(snapshotAt(0x40, otherTables, rows...), updateAt(0x80, somePosition("q", `{"pm_execution_history": {}}`))...)
	for _, s := range []server{
		{tape: tape{messages: second}, is: secondServer},
		{tape: tape{messages: append(snapshotAt(0x400, someTables, rows...), updateAt(0x500, withStatus("p", "paused"))...)}, is: firstServer},
	} {
		if err := runOnServer(sink, s, len(s.messages), adopt); !errors.Is(err, errTapeEnds) {
			t.Fatal(err)
		}
	}
	oneHistory(t, sink.events)
	state := NewState()
	if err := state.Load(CheckpointKey, []byte(sink.state[CheckpointKey])); err != nil || len(state.Checkpoint.Eras) != 3 {
		t.Errorf("eras %+v: %v", state.Checkpoint.Eras, err)
	}
	first := make(map[string]bool)
	for _, text := range sink.events {
		first[attributesOf(t, text).ID] = true
		var e struct {
			Data struct {
				First string `json:"first_event_id"`
			}
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if e.Data.First != "" && !first[e.Data.First] {
			t.Errorf("event %s refers to %s, which is none", attributesOf(t, text).ID, e.Data.First)
		}
	}
	if !slices.ContainsFunc(sink.events, func(e string) bool { return strings.Contains(e, `"first_event_id":"7421/`) }) {
		t.Errorf("no event refers to one of the first server: %s", namesIn(t, sink.events))
	}
}

// TestOlderVersionsRefuseEras: a version that does not know of eras finds a record that it does not know.
func TestOlderVersionsRefuseEras(t *testing.T) {
	sink := firstHistory(t, nil)
	if _, there := sink.state[erasKey]; there {
		t.Error("there are eras without an adoption")
	}
	s := server{tape: tape{messages: snapshotAt(0x40, otherTables)}, is: secondServer}
	if err := runOnServer(sink, s, 9, func(p *Pipeline) { p.Adopt = true }); !errors.Is(err, errTapeEnds) {
		t.Fatal(err)
	}
	if sink.state[erasKey] != "2" {
		t.Errorf("state %q", sink.state)
	}
}
