package notify

import (
	"strings"
	"testing"
)

// TestPassedIsTold: a route without a place begins at now, and is told what is there already, first and until it has it. A route that
// was told, or has nothing behind it, is not.
func TestPassedIsTold(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f, state := newMemory(), newFake(t), t.TempDir()
	config := "routes: [" + telegram(f, ", severity: page") + "]"
	m.put("info", "position.status_changed", "A")
	r := start(t, m, t.TempDir(), config, nil)
	f.nothing(t)
	r.stop()
	m.put("page", "emergency_exit.executed", "B")
	m.put("page", "emergency_exit.executed", "C")
	f.mu.Lock()
	f.answers = []int{500}
	f.mu.Unlock()
	r = start(t, m, state, config, nil)
	f.await(t, "500", "This route begins now")
	r.stop()
	m.put("page", "emergency_exit.executed", "D")
	r = start(t, m, state, config, func(o *Options) { o.From = "1h" }) // which is only for a route without a place
	if got := f.await(t, "200", "This route begins now", "2 of the last seven days", "Emergency exit: C 1h"); !strings.Contains(got, "🚨") {
		t.Errorf("pages were passed over, and it is no page: %s", got)
	}
	f.await(t, "<code>D</code>")
	r.says(`"message":"watching from`)
	m.put("page", "emergency_exit.executed", "E")
	f.await(t, "<code>E</code>")
	r.stop()
	r = start(t, m, state, config, nil)
	f.nothing(t)
	r.stop()
	r = start(t, m, state, strings.Replace(config, "name: phone", "name: mobile", 1), nil)
	f.await(t, "This route begins now", "4 of the last seven days", "Emergency exit: E 1h")
	f.nothing(t)
	r.stop()
}
