package cdc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lowcap-cdc/decode"
)

// tape is a source that plays a list of messages and then ends. It stands in for the one fault that a real server
// cannot be made to show at will: the end of a connection between any two messages.
type tape struct {
	messages []decode.Message
	at, end  int
	from     decode.LSN
	passing  bool
}

var errTapeEnds = errors.New("the tape ends")

func (s *tape) Free(context.Context) error { return nil }

func (s *tape) Start(_ context.Context, start Start) (Started, error) {
	s.from = start.Resume
	return Started{Identity: Identity{SystemID: "7421", Timeline: 1, Database: "trading", Schema: "public"}}, nil
}

func (s *tape) Next(context.Context) (decode.Message, error) {
	if s.at == s.end {
		return nil, errTapeEnds
	}
	message := s.messages[s.at]
	s.at++
	if begin, ok := message.(*decode.Begin); ok {
		// As the server does: what ended before the place to resume from is not sent.
		s.passing = begin.CommitLSN < s.from || (begin.Snapshot && s.from != 0)
	}
	if _, ok := message.(*decode.Progress); s.passing && !ok {
		return nil, nil
	}
	return message, nil
}

func (s *tape) Buffered() bool      { return s.at%3 != 0 && s.at < s.end }
func (s *tape) Await(decode.Micros) {}
func (s *tape) Confirm(decode.LSN)  {}
func (s *tape) Close() error        { return nil }

// memorySink keeps what was committed; a process may die between the two.
type memorySink struct {
	state   map[string]string
	events  []string
	pending Batch
}

func (s *memorySink) Resume(_ context.Context, load func(string, []byte) error) error {
	s.pending = Batch{}
	for key, value := range s.state {
		if err := load(key, []byte(value)); err != nil {
			return err
		}
	}
	return nil
}

func (s *memorySink) Commit(_ context.Context, b *Batch) error {
	for _, e := range b.Events {
		s.pending.Events = append(s.pending.Events, Event{Value: bytes.Clone(e.Value)})
	}
	for _, r := range b.State {
		s.pending.State = append(s.pending.State, StateRecord{r.Key, bytes.Clone(r.Value)})
	}
	if b.More {
		return nil
	}
	for _, e := range s.pending.Events {
		s.events = append(s.events, string(e.Value))
	}
	for _, r := range s.pending.State {
		if delete(s.state, r.Key); r.Value != nil {
			s.state[r.Key] = string(r.Value)
		}
	}
	s.pending = Batch{}
	return nil
}

func (s *memorySink) Close() error { return nil }

// recordTape draws a stream of transactions on three positions and two blocks.
func recordTape(t *rapid.T) []decode.Message {
	messages := []decode.Message{&decode.Begin{CommitLSN: 0x100, CommitTime: benchCommitTime, Snapshot: true, Tables: someTables}}
	for i := range 3 {
		messages = append(messages, insertOf(drawPosition(t, i)))
	}
	messages = append(messages, &decode.Commit{CommitLSN: 0x100, EndLSN: 0x100})
	lsn, clock := decode.LSN(0x100), benchCommitTime
	for range rapid.IntRange(1, 12).Draw(t, "transactions") {
		clock += decode.Micros(rapid.SampledFrom([]int{0, 0, 1, 60, 121, 700, 4000, 30000}).Draw(t, "seconds")) * second
		messages = append(messages, &decode.Begin{CommitLSN: lsn, CommitTime: clock + decode.Micros(lsn), XID: 1})
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			messages = append(messages, drawChange(t))
		}
		messages = append(messages, &decode.Commit{CommitLSN: lsn, EndLSN: lsn + 0x40})
		lsn += 0x40 + decode.LSN(rapid.SampledFrom([]int{0, 0x40}).Draw(t, "gap")) // the next commit may begin where this one ends
	}
	return messages
}

// withKeepalives puts what the server says between transactions into a stream: any place up to the one where the next
// transaction commits. While the server reads from the slot's own place, it also names places far below.
func withKeepalives(t *rapid.T, messages []decode.Message) []decode.Message {
	var noisy []decode.Message
	end := decode.LSN(0)
	for _, message := range append(messages, nil) {
		below := end + 0x80 // nothing commits behind the last one
		begin, ok := message.(*decode.Begin)
		if ok {
			below = begin.CommitLSN
		}
		if end > 0 && (ok || message == nil) {
			for range rapid.IntRange(0, 2).Draw(t, "keepalives") {
				noisy = append(noisy, drawKeepalive(t, end, below))
			}
		}
		if commit, ok := message.(*decode.Commit); ok {
			end = commit.EndLSN
		}
		if message != nil {
			noisy = append(noisy, message)
		}
	}
	return noisy
}

// drawKeepalive draws a place, mostly between two transactions, and a time that may be long after, which is when an
// idle stream's place is committed.
func drawKeepalive(t *rapid.T, from, to decode.LSN) *decode.Progress {
	if rapid.IntRange(0, 3).Draw(t, "old") == 0 {
		from = 0x80
	}
	at := rapid.Uint64Range(uint64(from), uint64(max(from, to))).Draw(t, "place")
	later := decode.Micros(rapid.SampledFrom([]int{0, 1, 20}).Draw(t, "seconds later")) * 1000000
	return &decode.Progress{LSN: decode.LSN(at), Time: benchCommitTime + decode.Micros(at) + later}
}

func drawChange(t *rapid.T) decode.Message {
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return &decode.Truncate{Tables: []decode.Table{decode.Positions, decode.Blocks}}
	case 1:
		return &decode.PositionChange{Op: decode.Delete, Old: drawPosition(t, rapid.IntRange(0, 2).Draw(t, "id"))}
	case 2, 3, 4:
		row := blockRow(map[string]any{"token_contract": "C", "token_chain": "s", "timeframe": fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "tf")),
			"book_id": "b", "blocked_s1": rapid.Bool().Draw(t, "s1"), "blocked_s2": rapid.Bool().Draw(t, "s2"),
			"last_s1_failure_ts": nil, "last_s2_failure_ts": nil, "last_success_ts": "2026-01-01 00:00:0" + fmt.Sprint(rapid.IntRange(0,
				9).Draw(t, "ts")) + "+00"})
		return &decode.BlockChange{Op: decode.Update, New: row}
	}
	return &decode.PositionChange{Op: decode.Update, New: drawPosition(t, rapid.IntRange(0, 2).Draw(t, "id"))}
}

func drawPosition(t *rapid.T, id int) decode.PositionRow {
	parts := []string{`"prev_state": "S1"`, `"trim_pool": []`, `"unknown": [1, {"a": null}]`, `"trim_pool": {"usd_basis": 25}`,
		`"trim_pool": {"usd_basis": 60.0, "recovery_started": true, "dx_count": 1}`,
		`"last_trim": {"timestamp": "2026-01-01T00:00:01Z", "signal": "trim_flag"}`,
		`"last_trim": {"timestamp": "2026-01-01T00:00:02Z", "signal": "emergency_exit"}`,
		`"last_s1_buy": {"timestamp": "2026-01-01T00:00:04Z", "price": 1}`, `"lotus_buyback": {"skipped": true}`,
		`"last_s3_buy": {"timestamp": "2026-01-01T00:00:03", "price": 0}`,
		`"last_emergency_exit": {"timestamp": "2026-01-01T00:00:01Z", "exit_value_usd": "x"}`}
	history := strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(parts), 0, 4, func(p string) string { return p[:8] }).Draw(t,
		"history"), ", ")
	flag := rapid.SampledFrom([]string{`"exit_position": true`, `"emergency_exit": true`, `"price": 2`}).Draw(t, "engine")
	row := positionRow(map[string]any{"id": fmt.Sprint("p", id), "token_chain": "s", "token_contract": "C", "timeframe": "1h",
		"status": "active",
		"state":  "S1", "book_id": "onchain_crypto", "current_trade_id": rapid.SampledFrom([]any{nil, "t1", "t2"}).Draw(t, "trade"),
		"total_quantity":      rapid.SampledFrom([]any{"0", "5", "NaN"}).Draw(t, "quantity"),
		"total_tokens_bought": rapid.SampledFrom([]any{"5", "6.5"}).Draw(t, "bought"), "total_tokens_sold": rapid.SampledFrom([]any{nil,
			"1"}).Draw(t, "sold"),
		"completed_trades": rapid.SampledFrom([]any{"[]", `[{"summary": {"total_pnl_usd": -1}}]`}).Draw(t, "completed"),
		"features":         `{"uptrend_engine_v4": {` + flag + `}, "pm_execution_history": {` + history + `}}`})
	if rapid.IntRange(0, 3).Draw(t, "toast") == 0 {
		row[decode.FeaturesColumn] = decode.Value{Kind: decode.Unchanged}
	}
	return row
}

// play runs a pipeline with small batches over a tape, ending the connection after each of the given places, and returns what was committed.
func play(t *rapid.T, messages []decode.Message, limit int, cuts []int) *memorySink {
	sink := &memorySink{state: make(map[string]string)}
	for _, end := range append(cuts, len(messages)) {
		p := &Pipeline{Source: &tape{messages: messages, end: end}, Sink: sink, Slot: "s", Batch: limit}
		if err := p.Run(context.Background()); !errors.Is(err, errTapeEnds) {
			t.Fatal(err)
		}
	}
	return sink
}

// TestSameWALSameBytes: however the run is cut into pieces, and whatever keepalives come between the transactions, also
// between the cut of one and its delivery from the start, the events are the same bytes and the state is the same.
func TestSameWALSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		messages := recordTape(t)
		whole := play(t, messages, 0, nil)
		noisy := withKeepalives(t, messages)
		cut := play(t, noisy, rapid.IntRange(1, 5).Draw(t, "limit"), rapid.SliceOf(rapid.IntRange(6, len(noisy))).Draw(t, "cuts"))
		if got, want := strings.Join(cut.events, "\n"), strings.Join(whole.events, "\n"); got != want {
			t.Fatalf("events differ\n got %s\nwant %s", got, want)
		}
		for key, want := range whole.state {
			if cut.state[key] != want && key != CheckpointKey {
				t.Fatalf("state of %q differs", key)
			}
		}
	})
}

// TestSpellingIsNoEvent: the same document in another spelling is no event.
func TestSpellingIsNoEvent(t *testing.T) {
	spelling := strings.NewReplacer("Z\"", "+00:00\"", "60.0", "60", "25}", "25.00, \"dx_count\": 0, \"dx_next_arm\": null}",
		"\"S1\"", `"\u00531"`, ": ", ":")
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(nil)
		row := drawPosition(t, 1)
		b.machine.begin(&decode.Begin{CommitLSN: 0x200, CommitTime: benchCommitTime, Snapshot: true, Tables: someTables})
		b.applyTo(t, insertOf(row))
		b.machine.commit(&decode.Commit{CommitLSN: 0x200, EndLSN: 0x200})
		b.machine.out.reset()
		row[decode.FeaturesColumn].Text = []byte(spelling.Replace(string(row[decode.FeaturesColumn].Text)))
		b.machine.begin(&decode.Begin{CommitLSN: 0x300, CommitTime: benchCommitTime, XID: 1})
		b.applyTo(t, &decode.PositionChange{Op: decode.Update, New: row})
		for _, e := range b.machine.out.batch.Events {
			if e.Type != "lowcap.history.malformed.v1" { // a malformed value is known by its bytes
				t.Fatalf("%s for %s", e.Type, row[decode.FeaturesColumn].Text)
			}
		}
	})
}

func (b *bench) applyTo(t *rapid.T, message decode.Message) {
	if _, err := b.machine.apply(message); err != nil {
		t.Fatal(err)
	}
}

// FuzzFeaturesColumn: no document makes the machine panic or lose its mind.
func FuzzFeaturesColumn(f *testing.F) {
	f.Add(`{"pm_execution_history": {"trim_pool": {"usd_basis": 1}}}`,
		`{"pm_execution_history": {"last_trim": {"timestamp": "2026-01-01T00:00:01Z"}}}`)
	f.Add(`"{\"pm_execution_history\": {\"prev_state\": 1}}"`, strings.Repeat(`{"pm_execution_history":`, 3)+"1}}}")
	f.Fuzz(func(t *testing.T, first, second string) {
		if !json.Valid([]byte(first)) || !json.Valid([]byte(second)) {
			t.Skip("jsonb never is invalid JSON: the decoder refuses a features column of another type")
		}
		b := newBench(t)
		for _, features := range []string{first, second, first} {
			b.begin()
			row := positionRow(map[string]any{"id": "p", "token_chain": "s", "token_contract": "C", "timeframe": "1h", "status": "a", "state": "S1",
				"current_trade_id": nil, "features": features})
			b.apply(&decode.PositionChange{Op: decode.Update, New: row})
			b.machine.commit(&decode.Commit{CommitLSN: b.lsn, EndLSN: b.lsn + 1})
		}
	})
}
