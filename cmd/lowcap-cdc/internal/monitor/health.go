package monitor

import (
	"fmt"
	"net/http"
	"time"
)

// Alive serves /livez: 503 when the loop is stuck, so that whoever watches starts the process anew. A pipeline that
// waits for Kafka or for the slot is alive: a new process would have to wait as well.
func (m *Monitor) Alive(w http.ResponseWriter, _ *http.Request) {
	if why := m.loop.stuck(time.Now()); why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "alive")
}

// IsReady serves /readyz: 200 for the instance that publishes, and keeps up.
func (m *Monitor) IsReady(maxLag time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if why := m.NotReady(maxLag); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "streaming")
	}
}

// NotReady says why events do not flow, or nothing.
func (m *Monitor) NotReady(maxLag time.Duration) string {
	m.mu.Lock()
	lag := m.trend.lag()
	m.mu.Unlock()
	switch {
	case m.standby.Load():
		return "standby: another instance uses the slot"
	case !m.Ready():
		return "starting: " + phases[m.loop.phase.Load()].name
	case lag > maxLag:
		return fmt.Sprintf("lag: the sink is %s behind, more than %s", lag.Round(time.Second), maxLag)
	}
	return ""
}
