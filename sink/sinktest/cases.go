package sinktest

import (
	"fmt"
	"math/rand/v2"

	"lowcap-cdc/cdc"
)

func emptyResume(s *space) {
	s.sink = s.target.Open(s.t)
	s.t.Cleanup(func() { s.target.abandon(s.t, s.sink) })
	err := s.sink.Resume(s.t.Context(), func(key string, value []byte) error {
		return fmt.Errorf("empty storage handed out %q", key)
	})
	if err != nil {
		s.t.Fatalf("resume on empty storage: %v", err)
	}
	if events := s.target.Events(s.t); len(events) != 0 {
		s.t.Fatalf("empty storage shows %d events", len(events))
	}
	s.close()
	s.open()
}

func commitThenResume(s *space) {
	s.open()
	s.commit(&cdc.Batch{Events: s.events(3), State: []cdc.StateRecord{s.set("a", "1"), s.set("b", "2")}})
	s.checkEvents()
	s.commit(&cdc.Batch{Events: s.events(2), State: []cdc.StateRecord{s.set("a", "3"), s.set("empty", "")}})
	s.close()
	s.open()
	s.checkEvents()
}

func removal(s *space) {
	s.open()
	s.commit(&cdc.Batch{State: []cdc.StateRecord{s.set("gone", "1"), s.set("back", "1"), s.set("stays", "1")}})
	s.commit(&cdc.Batch{State: []cdc.StateRecord{s.remove("gone"), s.remove("back"), s.remove("never there")}})
	s.crash()
	s.commit(&cdc.Batch{State: []cdc.StateRecord{s.set("back", "2"), s.set("flicker", "1"), s.remove("flicker")}})
	s.crash()
}

func emptyBatch(s *space) {
	s.open()
	s.commit(&cdc.Batch{})
	s.commit(&cdc.Batch{State: []cdc.StateRecord{s.set("state only", "1")}})
	s.commit(&cdc.Batch{Events: s.events(1)})
	s.commit(&cdc.Batch{More: true})
	s.commit(&cdc.Batch{})
	s.crash()
	s.checkEvents()
}

func batchIsTheCallers(s *space) {
	s.open()
	batch := &cdc.Batch{Events: s.events(5), State: []cdc.StateRecord{s.set("a", "kept")}, More: true}
	s.pendingLines = append(s.pendingLines, copyEvents(batch.Events)...)
	s.pendingState = []cdc.StateRecord{s.set("a", "kept")}
	if err := s.sink.Commit(s.t.Context(), batch); err != nil {
		s.t.Fatalf("commit: %v", err)
	}
	for i := range batch.Events {
		clear(batch.Events[i].Value)
	}
	clear(batch.State[0].Value)
	s.commit(&cdc.Batch{})
	s.crash()
	s.checkEvents()
}

func copyEvents(events []cdc.Event) []cdc.Event {
	copies := make([]cdc.Event, len(events))
	for i, event := range events {
		copies[i] = event
		copies[i].Value = append([]byte(nil), event.Value...)
	}
	return copies
}

func uncommittedParts(s *space) {
	s.open()
	s.commit(&cdc.Batch{Events: s.events(2), State: []cdc.StateRecord{s.set("a", "before"), s.set("b", "before")}})
	for range 3 {
		s.commit(&cdc.Batch{Events: s.events(2), State: []cdc.StateRecord{s.set("a", "part"), s.remove("b")}, More: true})
	}
	s.crash()
	s.checkEvents()
	s.commit(&cdc.Batch{Events: s.events(1), State: []cdc.StateRecord{s.set("c", "after")}})
	s.crash()
	s.checkEvents()
}

func partsTogether(s *space) {
	s.open()
	for i := range 4 {
		s.commit(&cdc.Batch{Events: s.events(50), State: []cdc.StateRecord{s.set("a", fmt.Sprint(i))}, More: true})
	}
	s.commit(&cdc.Batch{Events: s.events(1), State: []cdc.StateRecord{s.set("b", "last")}})
	s.checkEvents()
	s.crash()
	s.checkEvents()
}

func orderPerKey(s *space) {
	s.open()
	for range 20 {
		s.commit(&cdc.Batch{Events: s.events(25)})
	}
	s.checkEvents()
	s.crash()
	s.commit(&cdc.Batch{Events: s.events(25)})
	s.checkEvents()
}

func abandoned(s *space) {
	s.open()
	for i := range 5 {
		s.commit(&cdc.Batch{Events: s.events(3), State: []cdc.StateRecord{s.set("round", fmt.Sprint(i))}})
		s.crash()
		s.checkEvents()
	}
}

// secondInstance accepts both ways to keep two writers apart: the second one is refused, or the first one is fenced.
func secondInstance(s *space) {
	s.open()
	s.commit(&cdc.Batch{Events: s.events(2), State: []cdc.StateRecord{s.set("a", "first")}})
	first, second := s.sink, s.target.Open(s.t)
	s.t.Cleanup(func() { s.target.abandon(s.t, second) })
	if _, err := s.resume(second); err != nil {
		s.commit(&cdc.Batch{Events: s.events(2), State: []cdc.StateRecord{s.set("a", "first again")}})
		s.crash()
		s.checkEvents()
		return
	}
	s.sink = second
	s.commit(&cdc.Batch{Events: s.events(2), State: []cdc.StateRecord{s.set("a", "second")}})
	late := &cdc.Batch{Events: s.events(2), State: []cdc.StateRecord{s.set("a", "late")}}
	if err := first.Commit(s.t.Context(), late); err == nil {
		s.t.Fatal("the first instance committed after the second had resumed")
	}
	s.target.abandon(s.t, first)
	s.crash()
	s.checkEvents()
}

func unusualKeys(s *space) {
	s.open()
	batch := &cdc.Batch{}
	for i, key := range []string{"\x00", "a\x00b", "a/b//c", "/", "..", "ключ 鍵 🔑", "\xff\xfe", "\r\t", " ", "\"quoted\""} {
		batch.State = append(batch.State, s.set(key, key+"\x00\n"))
		event := s.event(i, "data 🔑 \\u0000 \u2028")
		batch.Events = append(batch.Events, event)
	}
	s.commit(batch)
	s.crash()
	s.checkEvents()
}

func oneMegabyte(s *space) {
	s.open()
	// As much as fits, with its frame, into what a Kafka broker takes by default (1,048,588 bytes), and incompressible.
	big := randomText(1_000_000)
	s.commit(&cdc.Batch{Events: []cdc.Event{s.event(0, big)}, State: []cdc.StateRecord{s.set("big", big)}})
	s.commit(&cdc.Batch{Events: s.events(1), State: []cdc.StateRecord{s.set("small", "1")}})
	s.crash()
	s.checkEvents()
}

func randomText(size int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, size)
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}

func tenThousand(s *space) {
	s.open()
	batch := &cdc.Batch{Events: s.events(10_000)}
	for i := range 1000 {
		batch.State = append(batch.State, s.set(fmt.Sprint(i), fmt.Sprint(i*i)))
	}
	s.commit(batch)
	s.checkEvents()
	s.crash()
	s.checkEvents()
}

// close closes the instance in good order.
func (s *space) close() {
	s.t.Helper()
	for range 2 {
		if err := s.sink.Close(); err != nil {
			s.t.Fatalf("close: %v", err)
		}
	}
}
