package e2e

import (
	"strings"
	"testing"
)

// TestReplayIntoOtherTopics: topics that hold events, and no word of a copy, are no place for one: they would hold two histories, or one twice.
func TestReplayIntoOtherTopics(t *testing.T) {
	s := newSite(t)
	s.live()
	first, _ := s.file("first")
	s.drain("k", first)
	to, committed := s.kafka()
	s.ok(first, "replay", "--into", to)
	before := len(committed())
	admin, _ := s.kafkaClient()
	if _, err := admin.DeleteTopics(t.Context(), s.name+".cdc-state"); err != nil {
		t.Fatal(err)
	}
	if out, code := s.verb(first, "replay", "--into", to); code != 3 || !strings.Contains(out, "no part of this copy") {
		t.Errorf("exit %d: %s", code, out)
	}
	if n := len(committed()); n != before {
		t.Errorf("%d events, there were %d", n, before)
	}
}
