package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestStagesOfNothing: an exit that was posted before the consumer or the log had it is waited for, and where one of them has
// none at all that is said. It was NaN before, which JSON does not know, so that the whole report was lost.
func TestStagesOfNothing(t *testing.T) {
	commit := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	hook := &webhook{commits: map[string]time.Time{"a": commit, "b": commit}, at: make(map[string]map[string]time.Time)}
	for _, id := range []string{"a", "b"} {
		hook.note("posted", id, commit.Add(3*time.Millisecond))
		hook.note("read", id, commit.Add(2*time.Millisecond))
	}
	for _, id := range []string{"a", "b"} {
		if n, err := hook.result(0, 2); err == nil || !strings.Contains(err.Error(), "seen to be visible") {
			t.Fatalf("without a consumer's %s: %+v, %v", id, n, err)
		}
		hook.note("visible", id, commit.Add(time.Millisecond))
	}
	n, err := hook.result(0, 2)
	if err != nil || n.Visible.P99 != 1 || n.Read.P50 != 2 || n.Posted.Max != 3 {
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := json.Marshal(n); err != nil {
		t.Error(err)
	}
	if n, err := hook.result(0, 3); err == nil || !strings.Contains(err.Error(), "2 of 3 exits were delivered") {
		t.Errorf("with one that was not posted: %+v, %v", n, err)
	}
}
