package pg

import (
	"context"
	"strings"
	"sync"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
)

// TestColumnOfTheBooksIsGone: the stream goes on, the log says what cannot be told any more, and check says it too.
func TestColumnOfTheBooksIsGone(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(posA)
	to := newMemorySink()
	p.mustRun(to)
	var mu sync.Mutex
	var said []string
	config := p.config
	config.Notice = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, text)
	}
	p.background(config, to)
	p.exec(`update lowcap_positions set total_quantity = 7, status = 'active'`)
	p.until("it streams", func() bool { return strings.HasSuffix(to.since(0), "position.status_changed") })
	p.exec(`alter table lowcap_positions rename column total_quantity to quantity`)
	p.until("the log says it", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(strings.Join(said, "\n"), "has lost the column total_quantity")
	})
	p.exec(`delete from lowcap_positions`)
	p.until("the stream goes on", func() bool { return strings.HasSuffix(to.since(0), "position.deleted") })
	if last := to.last(); !strings.Contains(last, `"total_quantity":7`) {
		t.Errorf("%s", last)
	}
	for _, f := range Check(context.Background(), p.config, &cdc.Checkpoint{}) {
		if f.Name == "table lowcap_positions" && (f.Severity != check.Warn || !strings.Contains(f.Detail, "no column total_quantity")) {
			t.Errorf("check says %+v", f)
		}
	}
}
