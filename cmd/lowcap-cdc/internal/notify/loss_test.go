package notify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// keep removes all but the last n events, as retention does.
func (m *memory) keep(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range len(m.events) - n {
		m.events[i].Value = nil
	}
}

func (m *memory) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = nil
}

// TestGapIsTold removes events that the route has not read: it is told so before what comes next, once.
func TestGapIsTold(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f, state := newMemory(), newFake(t), t.TempDir()
	config := "routes: [" + telegram(f, ", severity: page") + "]"
	r := start(t, m, state, config, nil)
	m.put("page", "emergency_exit.executed", "A")
	f.await(t, "<code>A</code>")
	r.stop()
	for range 3 {
		m.put("info", "position.status_changed", "B")
	}
	m.put("page", "emergency_exit.executed", "C")
	m.keep(1)
	f.mu.Lock()
	f.answers = []int{500}
	f.mu.Unlock()
	r = start(t, m, state, config, nil)
	f.await(t, "500", "Events were removed unread", "the events 2 to 4")
	f.await(t, "200", "Events were removed unread")
	f.await(t, "<code>C</code>")
	m.put("page", "emergency_exit.executed", "D")
	f.await(t, "<code>D</code>")
	f.nothing(t)
	r.stop()
}

// TestAnotherHistoryIsTold begins the sink anew under the route's place.
func TestAnotherHistoryIsTold(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f, state := newMemory(), newFake(t), t.TempDir()
	config := "routes: [" + telegram(f, ", severity: page") + "]"
	r := start(t, m, state, config, nil)
	for range 3 {
		m.put("page", "emergency_exit.executed", "A")
		f.await(t, "<code>A</code>")
	}
	r.stop()
	m.begin()
	m.put("page", "emergency_exit.executed", "B")
	r = start(t, m, state, config, nil)
	f.await(t, "another history", "event 3")
	f.await(t, "<code>B</code>")
	r.stop()
	r = start(t, m, state, config, nil)
	f.nothing(t)
	r.stop()

	// As many events, at other places of the WAL.
	content, err := os.ReadFile(filepath.Join(state, "g-phone.json"))
	if err != nil {
		t.Fatal(err)
	}
	var at place
	if err := json.Unmarshal(content, &at); err != nil {
		t.Fatal(err)
	}
	at.Sequence = "9" + at.Sequence[1:]
	if content, err = json.Marshal(at); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, "g-phone.json"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, m, state, config, nil)
	f.await(t, "another history")
	f.await(t, "<code>B</code>")
	r.stop()
}
