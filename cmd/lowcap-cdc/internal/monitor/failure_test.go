package monitor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
)

// TestFailures: the page says what the source or the sink failed with until a commit is done, and that a commit gets no answer.
func TestFailures(t *testing.T) {
	m := New("test")
	hooks := m.Hooks()
	says := func(source, sink string) {
		t.Helper()
		if s, k := m.Failures(); s != source || !strings.HasPrefix(k, sink) || (sink == "") != (k == "") {
			t.Errorf("source %q, sink %q; want %q and %q", s, k, source, sink)
		}
	}
	says("", "")
	if _, ok := m.SinceCommit(); ok {
		t.Error("a commit that was never done has an age")
	}
	m.Restarted(fmt.Errorf("joined: %w", &cdc.PartError{Part: cdc.PartSource, Err: errors.New("connection reset")}))
	if s, k := m.Failures(); !strings.Contains(s, "connection reset") || k != "" {
		t.Errorf("source %q, sink %q", s, k)
	}
	m.Restarted(errors.New("broker: connection refused"))
	says("", "broker: connection refused")
	hooks.Committed(cdc.Progress{})
	says("", "")
	if age, ok := m.SinceCommit(); !ok || age > time.Minute {
		t.Errorf("the commit is %s old, %v", age, ok)
	}
	hooks.Committing(nil)
	says("", "")
	m.begun.Store(int64(time.Since(began) - patience - time.Second))
	says("", "no answer to a commit for 11s")
	hooks.Durable(nil)
	says("", "")
}
