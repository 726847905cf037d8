package sinktest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// space is one case's part of the shared storage, and the model of what must be in it.
type space struct {
	t      *testing.T
	target Target
	name   string
	serial int

	sink  cdc.Sink
	state map[string]string   // committed
	lines map[string][]string // committed, by stream

	pendingState []cdc.StateRecord
	pendingLines []cdc.Event
}

func newSpace(t *testing.T, target Target, name string) *space {
	return &space{t: t, target: target, name: strings.ReplaceAll(name, " ", "-"),
		state: map[string]string{}, lines: map[string][]string{}}
}

// eventTypes are types of both watched tables, which a sink may keep in different places.
func eventTypes() []schemas.Type {
	return []schemas.Type{"lowcap.trim_pool.opened.v1", "lowcap.entry_block.set.v1", "lowcap.position.created.v1",
		"lowcap.execution.buy_recorded.v1"}
}

// line is the part of an event's value by which the suite recognises it.
type line struct {
	ID           string `json:"id"`
	Type         string `json:"type"`
	Subject      string `json:"subject"`
	PartitionKey string `json:"partitionkey"`
	Sequence     string `json:"sequence"`
	Data         string `json:"data"`
}

func (l line) stream() string { return l.Type + " " + l.PartitionKey }

// event makes the next event of the case for one of a few keys.
func (s *space) event(key int, data string) cdc.Event {
	s.serial++
	types := eventTypes()
	attributes := schemas.Attributes{
		ID:           fmt.Sprintf("%s/%d", s.name, s.serial),
		Source:       "/postgres/7300000000000000001/lowcap",
		Type:         types[(key+s.serial)%len(types)],
		Subject:      s.name,
		Time:         "2026-01-02T03:04:05.678901Z",
		PartitionKey: fmt.Sprintf("solana/%s-%d/1h", s.name, key),
		Sequence:     fmt.Sprintf("%016x%016x", s.number(), s.serial), // unique over all cases
		Severity:     schemas.Info,
	}
	value, err := json.Marshal(line{ID: attributes.ID, Type: string(attributes.Type), Subject: attributes.Subject,
		PartitionKey: attributes.PartitionKey, Sequence: attributes.Sequence, Data: data})
	if err != nil {
		s.t.Fatal(err)
	}
	return cdc.Event{Attributes: attributes, Value: value}
}

// number tells the case apart from the others.
func (s *space) number() uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(s.name)) // never fails
	return hash.Sum64()
}

func (s *space) events(n int) []cdc.Event {
	events := make([]cdc.Event, n)
	for i := range events {
		events[i] = s.event(i%3, "")
	}
	return events
}

// set makes a state record with the case's own key.
func (s *space) set(key, value string) cdc.StateRecord {
	return cdc.StateRecord{Key: s.name + "/" + key, Value: []byte(value)}
}

func (s *space) remove(key string) cdc.StateRecord { return cdc.StateRecord{Key: s.name + "/" + key} }

// open resumes a new instance and checks that it hands back exactly the committed state.
func (s *space) open() {
	s.t.Helper()
	s.sink = s.target.Open(s.t)
	s.t.Cleanup(func() { s.target.abandon(s.t, s.sink) })
	loaded, err := s.resume(s.sink)
	if err != nil {
		s.t.Fatalf("resume: %v", err)
	}
	s.pendingState, s.pendingLines = nil, nil
	if !maps.Equal(loaded, s.state) {
		s.t.Fatalf("resume loaded %d records, want %d: %s", len(loaded), len(s.state), difference(loaded, s.state))
	}
}

func (s *space) resume(sink cdc.Sink) (map[string]string, error) {
	loaded := map[string]string{}
	err := sink.Resume(s.t.Context(), func(key string, value []byte) error {
		switch {
		case !strings.HasPrefix(key, s.name+"/"):
		case value == nil:
			delete(loaded, key)
		default:
			loaded[key] = string(value)
		}
		return nil
	})
	return loaded, err
}

// crash leaves the instance as a killed process does and opens another.
func (s *space) crash() {
	s.t.Helper()
	s.target.abandon(s.t, s.sink)
	s.open()
}

func (t Target) abandon(tb testing.TB, sink cdc.Sink) {
	if t.Abandon != nil {
		t.Abandon(tb, sink)
	}
}

// commit commits a batch and moves the model with it.
func (s *space) commit(batch *cdc.Batch) {
	s.t.Helper()
	s.pendingLines = append(s.pendingLines, batch.Events...)
	s.pendingState = append(s.pendingState, batch.State...)
	if err := s.sink.Commit(s.t.Context(), batch); err != nil {
		s.t.Fatalf("commit: %v", err)
	}
	if batch.More {
		return
	}
	for _, event := range s.pendingLines {
		stream := string(event.Type) + " " + event.PartitionKey
		s.lines[stream] = append(s.lines[stream], string(event.Value))
	}
	for _, record := range s.pendingState {
		if record.Value == nil {
			delete(s.state, record.Key)
		} else {
			s.state[record.Key] = string(record.Value)
		}
	}
	s.pendingState, s.pendingLines = nil, nil
}

// checkEvents checks that a committed reader sees the model's events, whole and in order, and nothing else.
func (s *space) checkEvents() {
	s.t.Helper()
	seen := map[string][]string{}
	for _, value := range s.target.Events(s.t) {
		var l line
		if err := json.Unmarshal(value, &l); err != nil {
			s.t.Fatalf("committed reader saw %.80q: %v", value, err)
		}
		if l.Subject == s.name {
			seen[l.stream()] = append(seen[l.stream()], string(value))
		}
	}
	for stream := range s.lines {
		if !slices.Equal(seen[stream], s.lines[stream]) {
			s.t.Fatalf("committed reader of %q saw %d events, want %d:\n%.600q\nwant\n%.600q", stream,
				len(seen[stream]), len(s.lines[stream]), seen[stream], s.lines[stream])
		}
	}
	if len(seen) != len(s.lines) {
		s.t.Fatalf("committed reader saw %d streams, want %d", len(seen), len(s.lines))
	}
}

// difference names one key in which two states differ.
func difference(got, want map[string]string) string {
	for key, value := range want {
		if have, ok := got[key]; !ok || have != value {
			return fmt.Sprintf("key %q is %.40q (%v), want %.40q", key, have, ok, value)
		}
	}
	for key, value := range got {
		if _, ok := want[key]; !ok {
			return fmt.Sprintf("key %q is %.40q, want none", key, value)
		}
	}
	return "none"
}
