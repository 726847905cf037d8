package cdc

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/decode"
)

// committed is a sink that holds the state of some rows, committed by one run, and that run's last place.
func committed(t *testing.T) (*memorySink, decode.LSN) {
	t.Helper()
	sink := &memorySink{state: make(map[string]string)}
	messages := []decode.Message{&decode.Begin{CommitLSN: 0x100, CommitTime: benchCommitTime, Snapshot: true, Tables: someTables},
		insertOf(someBlock("C", true)), insertOf(someBlock("D", false)),
		insertOf(somePosition("p", someHistory)), insertOf(somePosition("q", someHistory)), &decode.Commit{CommitLSN: 0x100, EndLSN: 0x100},
		&decode.Begin{
			CommitLSN:  0x200,
			CommitTime: benchCommitTime,
			XID:        7,
		}, &decode.PositionChange{Op: decode.Delete, Old: somePosition("q", "{}")},
		&decode.PositionChange{Op: decode.Update, New: somePosition("p", `{"pm_execution_history": {"prev_state": "S2"}}`)},
		&decode.Commit{CommitLSN: 0x200, EndLSN: 0x240}}
	if err := runOn(sink, "s", "", messages); !errors.Is(err, errTapeEnds) {
		t.Fatal(err)
	}
	return sink, 0x240
}

func runOn(sink Sink, slot, reconcile string, messages []decode.Message) error {
	p := &Pipeline{Source: &tape{messages: messages, end: len(messages)}, Sink: sink, Slot: slot, Reconcile: reconcile}
	return p.Run(context.Background())
}

// TestDamagedState: any image that is lost, changed or too many, and a lost checkpoint, are a permanent error at the start.
func TestDamagedState(t *testing.T) {
	sink, _ := committed(t)
	whole := maps.Clone(sink.state)
	damaged := func(what string, change func(map[string]string)) {
		t.Helper()
		sink.state = maps.Clone(whole)
		change(sink.state)
		err := runOn(sink, "s", "", nil)
		if damage := new(StateError); !errors.As(err, &damage) || !IsPermanent(err) || !strings.Contains(err.Error(), "copy") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for key, value := range whole {
		damaged("lost "+key, func(state map[string]string) { delete(state, key) })
		if key != CheckpointKey {
			damaged("twice "+key, func(state map[string]string) { state[key+"2"] = value })
		}
		for i := range value {
			flipped := []byte(value)
			flipped[i] ^= 1 << (i % 8)
			sink.state = maps.Clone(whole)
			sink.state[key] = string(flipped)
			err := runOn(sink, "s", "", nil)
			if in := strings.Index(value, sealBegin); key == CheckpointKey && i >= in && i < in+len(sealBegin) {
				continue // then there is no seal, and what it sealed is whole
			}
			if !IsPermanent(err) {
				t.Errorf("byte %d of %q flipped: %v", i, key, err)
			}
		}
	}
	damaged("checkpoint", func(state map[string]string) { state[CheckpointKey] = "{" })
	sink.state = maps.Clone(whole)
	sink.state["surprise"] = "1"
	if err := runOn(sink, "s", "", nil); !IsPermanent(err) || !strings.Contains(err.Error(), `key "surprise"`) {
		t.Errorf("unknown key: %v", err)
	}
	delete(sink.state, "surprise")
	sink.state[CopyKey] = "00000000000001000000000000000000"
	for _, reconcile := range []string{"", "asked for"} {
		if err := runOn(sink, "s", reconcile, nil); !IsPermanent(err) || !strings.Contains(err.Error(), "replay --with-state") {
			t.Errorf("a copy that is not finished: %v", err)
		}
	}
	delete(sink.state, CopyKey)
	if err := runOn(sink, "s", "", nil); !errors.Is(err, errTapeEnds) {
		t.Errorf("the whole state: %v", err)
	}
}

// TestReconcileOfDamagedState: it reads every row anew, believes no image, and leaves a state that is whole.
func TestReconcileOfDamagedState(t *testing.T) {
	exit := somePosition(
		"p",
		`{"pm_execution_history": {"prev_state": "S2", "last_trim": {"timestamp": "2026-01-20T10:00:00Z", "signal": "emergency_exit"}}}`,
	)
	snapshot := []decode.Message{&decode.Begin{CommitLSN: 0x300, CommitTime: benchCommitTime, Snapshot: true, Tables: someTables},
		insertOf(someBlock("C", true)), insertOf(exit), &decode.Commit{CommitLSN: 0x300, EndLSN: 0x300}}
	for what, change := range map[string]func(map[string]string){
		"lost": func(state map[string]string) { delete(state, positionPrefix+"p") },
		"changed": func(state map[string]string) {
			state[positionPrefix+"p"] = strings.Replace(state[positionPrefix+"p"], "S2", "S\xff", 1)
		},
		"cut": func(state map[string]string) { state[blockPrefix+"D\x00solana\x001h\x00onchain_crypto"] = "\x01" },
	} {
		sink, _ := committed(t)
		before := len(sink.events)
		change(sink.state)
		if err := runOn(sink, "s", "for a test", snapshot); !errors.Is(err, errTapeEnds) {
			t.Fatalf("%s: %v", what, err)
		}
		var types []string
		for _, event := range sink.events[before:] {
			var e struct{ Type string }
			if err := json.Unmarshal([]byte(event), &e); err != nil {
				t.Fatalf("%s: %v in %q", what, err, event)
			}
			types = append(types, strings.TrimSuffix(strings.TrimPrefix(e.Type, "lowcap."), ".v1"))
		}
		want := []string{"stream.gap", "entry_block.baseline", "position.baseline", "entry_block.deleted", "stream.reconciled"}
		if !slices.Equal(types, want) {
			t.Errorf("%s: events %q", what, types)
		}
		if err := runOn(sink, "s", "", nil); !errors.Is(err, errTapeEnds) || len(sink.state) != 3 {
			t.Errorf("%s: then %v with %d records", what, err, len(sink.state))
		}
	}
}

// TestStateOfAnOlderVersion: a checkpoint without fingerprint and schema is taken as it is, and completed.
func TestStateOfAnOlderVersion(t *testing.T) {
	sink, end := committed(t)
	var checkpoint map[string]any
	if err := json.Unmarshal([]byte(sink.state[CheckpointKey]), &checkpoint); err != nil {
		t.Fatal(err)
	}
	delete(checkpoint, "Images")
	delete(checkpoint, "Schema")
	delete(checkpoint, "Seal")
	text, err := json.Marshal(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	sink.state[CheckpointKey] = string(text)
	later := []decode.Message{&decode.Begin{CommitLSN: end, CommitTime: benchCommitTime, XID: 8}, insertOf(someBlock("E", true)),
		&decode.Commit{CommitLSN: end, EndLSN: end + 0x40}}
	if err := runOn(sink, "s", "", later); !errors.Is(err, errTapeEnds) {
		t.Fatal(err)
	}
	if text := sink.state[CheckpointKey]; !strings.Contains(text, `"Images":{"Images":4`) || !strings.Contains(text, `"Schema":"public"`) {
		t.Error(text)
	}
}

// TestOtherSource: a sink that holds the history of another slot, database or schema is refused before the source begins.
func TestOtherSource(t *testing.T) {
	sink, _ := committed(t)
	other := new(OtherSourceError)
	for _, reconcile := range []string{"", "for a test"} {
		if err := runOn(sink, "another", reconcile, nil); !errors.As(err, &other) || other.What != "slot" || other.Holds != "s" ||
			!IsPermanent(err) {
			t.Errorf("slot: %v", err)
		}
	}
	c := Checkpoint{Slot: "s", Identity: Identity{SystemID: "1", Database: "d", Schema: "public"}}
	if err := c.CheckSource("s", Identity{SystemID: "2", Database: "e", Schema: "bot"}); err != nil {
		t.Errorf("a claim without a snapshot: %v", err)
	}
	c.LSN = 7
	for what, asked := range map[string]Identity{"system": {SystemID: "2"}, "database": {Database: "e"}, "schema": {Schema: "bot"}} {
		if err := c.CheckSource("s", asked); !errors.As(err, &other) || other.What != what {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.Schema = ""
	if err := c.CheckSource("s", Identity{SystemID: "1", Database: "d", Schema: "bot"}); err != nil {
		t.Error(err)
	}
}

// TestNewerImage: an image of a newer version says which one is needed, also to a reconcile.
func TestNewerImage(t *testing.T) {
	for _, reconcile := range []string{"", "for a test"} {
		for _, key := range []string{positionPrefix + "p", blockPrefix + "C\x00solana\x001h\x00onchain_crypto"} {
			sink, _ := committed(t)
			sink.state[key] = "\x09" + sink.state[key][1:]
			newer := new(VersionError)
			if err := runOn(sink, "s", reconcile, nil); !errors.As(err, &newer) || !strings.Contains(newer.Why, "format 9") || !IsPermanent(err) {
				t.Errorf("%q: %v", key, err)
			}
		}
	}
}
